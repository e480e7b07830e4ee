import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createInFlight } from '../../src/enroll/in-flight.ts'
import { startProduct } from '../harness.ts'
import { aWork } from './works.ts'

const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const product = await startProduct({ env: { LERNITO_LMS_CONCURRENCY: '4' }, lms: { cost: 'measured' } })
after(() => product.stop())

test('a person is in one call at a time, however many loops can make one', async () => {
  for (const email of ['alice@example.com', 'newcomer@example.com']) {
    assert.equal((await product.sell({ email })).status, 200)
  }
  const posts = (await product.lms.calls()).filter(({ method, path }) => method === 'POST' && path === BULK)
  assert.deepEqual(posts, [{ method: 'POST', path: BULK, status: 200, count: 2 }])
})

function setUp() {
  const released: string[] = []
  const begun = new Set<string>()
  const handled = new Set<string>()
  const inFlight = createInFlight({
    inbox: {
      hasBegun: (id) => begun.has(id),
      mayContinue: async (ids) => new Set(ids.filter((id) => !handled.has(id))),
      beginAttempt: async (ids) => new Set(ids.filter((id) => !handled.has(id))),
      release: (ids) => void released.push(...ids),
    },
  })
  const works = [aWork(), aWork(), aWork()] as const
  for (const work of works) inFlight.add(work)
  return { inFlight, works, begun, handled, release: released }
}

test('a work is not idle while it is in a call, and is idle again afterwards', () => {
  const { inFlight, works } = setUp()
  const [first, ...others] = works
  inFlight.beginCall([first])
  assert.deepEqual(inFlight.idle(), others)
  inFlight.endCall([first])
  assert.deepEqual(inFlight.idle(), works)
})

test('a delivery that an operator has handled in the meantime is released before the call', async () => {
  const { inFlight, works, handled, release } = setUp()
  const [first, second] = works
  inFlight.beginCall(works)
  handled.add(first.delivery.id).add(second.delivery.id)
  assert.deepEqual(await inFlight.beginAttempt(works), works.slice(2))
  assert.deepEqual(release, [first.delivery.id, second.delivery.id])
  assert.equal(inFlight.size(), 1)
})

test('between two calls, an attempt that may not go on is stopped, unless it is in a call', async () => {
  const { inFlight, works, begun, handled } = setUp()
  const [first, second, third] = works
  inFlight.beginCall([first])
  begun.add(first.delivery.id).add(second.delivery.id)
  handled.add(first.delivery.id).add(second.delivery.id).add(third.delivery.id)
  assert.deepEqual(await inFlight.stopLost(), [second])
  assert.deepEqual(
    works.map(({ stopped }) => stopped),
    [false, true, false],
  )
})
