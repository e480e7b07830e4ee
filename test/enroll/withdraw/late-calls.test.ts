import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Withdrawal } from '../../../src/queue/withdrawals/withdrawal.ts'
import { DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { LATE, startWithHeldCalls } from './held-calls.ts'
import { refund as post } from './refunding.ts'
import { ended, heldPeople } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ALICE = 'alice@example.com'
const product = await startWithHeldCalls({ answerWithinMs: 1500, landsMs: 8000 })
const { lms, db, hold, sell, sold, stateOf, operations, openOrders, ordersEnded } = product

const refund = (courseIds: readonly string[] = [DEMO]) => post({ url: product.url, email: ALICE, courseIds })
const activeIn = () => product.activeIn(ALICE)
const isActiveIn = (courses: readonly string[]) =>
  until(`active in ${courses.length}`, async () => (await activeIn()).join() === courses.toSorted().join() || undefined)
const isEnrolled = (id: string) => until('the enrollment', async () => (await stateOf(id)) === 'enrolled' || undefined)
/** The LMS carries out the call that was given up. */
const land = () => hold.release()

/** While the call may land, the orders wait and the LMS gets no call of them. Then it lands, and they take the buyer out. */
async function landsAndEnds(id: string): Promise<Withdrawal> {
  const calls = (await lms.calls()).filter(
    ({ method, path }) => method === 'GET' && path.includes('enrollment_allowed'),
  )
  assert.deepEqual([calls, (await openOrders()).length], [[], 1])
  land()
  await isActiveIn([DEMO])
  return ended(product, id)
}

describe('a refund after an enrolling call that the LMS carries out late', () => {
  test('is answered 202, and takes the buyer out when the call has landed', async () => {
    await lms.faults([{ ...LATE, path: BULK }])
    const id = await sold(ALICE)
    await lms.forgetCalls()
    assert.equal((await refund()).status, 202)
    const { result } = await landsAndEnds(id)
    assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'])
    assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
    assert.equal((await refund()).status, 200)
  })

  test('also if the sale was enrolled by a later attempt', async () => {
    await lms.faults([{ ...LATE, path: BULK }])
    const id = await sold(ALICE)
    await operations.replay({ ids: [id], by: 'alice' })
    await isEnrolled(id)
    await lms.forgetCalls()
    assert.equal((await refund()).status, 202)
    const { result } = await landsAndEnds(id)
    assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'])
    assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
  })

  test('also if the call was a batch that was sent again in parts', async () => {
    await lms.faults([{ ...LATE, path: BULK }])
    const id = await sold(ALICE, [PYTHON, DEMO])
    await isActiveIn([PYTHON, DEMO])
    assert.equal((await refund()).status, 202)
    land()
    await ended(product, id)
    assert.deepEqual(await activeIn(), [PYTHON])
  })

  test('also if the call was for another sale, which an operator has handled since', async () => {
    await lms.faults([{ ...LATE, path: BULK }])
    const { headers } = await sell({ email: ALICE, name: 'Other' })
    const other = String(headers['x-lernito-delivery'])
    await operations.markHandled({ id: other, as: 'paid_back', note: 'by hand', by: 'alice' })
    await until('the end of the attempt', async () => (await heldPeople(db)) === 0 || undefined)
    const id = await sold(ALICE)
    await lms.forgetCalls()
    await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
    await landsAndEnds(id)
    assert.deepEqual(await activeIn(), [])
  })

  test('a sale that comes again while the refund waits is the newest statement: the buyer stays enrolled', async () => {
    await lms.faults([{ ...LATE, path: BULK }])
    const id = await sold(ALICE)
    assert.equal((await refund()).status, 202)
    assert.equal((await sell({ email: ALICE })).status, 200)
    land()
    await ordersEnded()
    assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [DEMO]])
    assert.equal((await product.kinds(id)).includes('withdrawn'), false, await product.log(id))
  })
})

test('a buyer who activates an account while the refund reads the LMS is taken out', async () => {
  const email = 'new@example.com'
  const id = await sold(email)
  assert.equal(await stateOf(id), 'pre_enrolled')
  await lms.faults([{ path: '/api/enrollment/v1/enrollment_allowed/', method: 'GET', delayMs: 1, times: 1 }])
  await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  await hold.arrived()
  await lms.people({ email, username: 'new', active: false })
  await lms.activate(email)
  hold.release()
  const { result } = await ended(product, id)
  assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
  assert.equal(await stateOf(id), 'withdrawn')
})

describe('a sale after an unenrolling call that the LMS carries out late', () => {
  for (const [how, name] of [
    ['the same sale', 'New'],
    ['another one', 'Newer'],
  ] as const) {
    test(`${how} waits until the call can't land any more, and its buyer stays enrolled`, async () => {
      await isEnrolled(await sold(ALICE))
      await lms.faults([{ ...LATE, path: UNENROLL }])
      assert.equal((await refund()).status, 202)
      const again = await sell({ email: ALICE, name })
      assert.equal(again.status, 500, 'the shop is not told what the call may undo')
      const id = String(again.headers['x-lernito-delivery'])
      assert.equal(await stateOf(id), 'queued')
      land()
      await until('the late call', async () => (await activeIn()).length === 0 || undefined)
      await isEnrolled(id)
      await ordersEnded()
      assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [DEMO]])
      assert.equal((await product.kinds(id)).includes('replayed'), false)
    })
  }
})

test('a refund of a part during the call forgets nothing of the rest: who is unenrolled there since stays out', async () => {
  await lms.faults([{ method: 'POST', path: BULK, delayMs: 1, times: 1 }])
  const selling = sold(ALICE, [DEMO, PYTHON])
  await hold.arrived()
  const refunding = refund()
  await until('the refund', async () => (await openOrders()).length === 1 || undefined)
  const [id = ''] = (await openOrders()).map(({ deliveryId }) => deliveryId)
  await lms.faults([{ method: 'POST', path: BULK, status: 429, retryAfter: 2, times: 1 }])
  land()
  await isActiveIn([DEMO, PYTHON])
  await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'audit', active: false }] })
  await Promise.all([selling, refunding])
  await ordersEnded()
  await until('the end', async () => (await stateOf(id)) !== 'queued' || undefined)
  assert.deepEqual(await activeIn(), [], await product.log(id))
})

describe('what comes while a sale waits for an unenrolling call is the newest statement', () => {
  /** A refund whose call may still land, and the same sale once more, which waits. Gives its id. */
  async function waiting(courseIds: readonly string[]): Promise<string> {
    const id = await sold(ALICE, courseIds)
    await isEnrolled(id)
    await lms.faults([{ ...LATE, path: UNENROLL }])
    assert.equal((await refund()).status, 202)
    assert.equal((await sell({ email: ALICE, courseIds })).status, 500)
    return id
  }

  test('a second refund: the sale goes on with its other course', async () => {
    const id = await waiting([DEMO, PYTHON])
    assert.equal((await refund()).status, 202)
    land()
    await isEnrolled(id)
    await ordersEnded()
    assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [PYTHON]])
  })

  test('an operator who handles the sale: nobody is enrolled', async () => {
    const id = await waiting([DEMO])
    await operations.markHandled({ id, as: 'settled', note: 'by hand', by: 'alice' })
    land()
    await ordersEnded()
    assert.deepEqual([await stateOf(id), await activeIn()], ['handled', []])
  })
})
