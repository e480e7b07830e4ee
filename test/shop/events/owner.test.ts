import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEndpoint } from '../../../src/queue/outbox/endpoint.ts'
import { claimEvents } from '../../../src/shop/events/claim.ts'
import type { Posted } from '../../../src/shop/events/post-event.ts'
import { storeResults } from '../../../src/shop/events/store-results.ts'
import { only } from '../../queue/harness.ts'
import { setUpOutbox } from './outbox.ts'

const A = '01KGA00000000000000000000A'
const claim = (bench: Pick<Awaited<ReturnType<typeof setUpOutbox>>, 'context' | 'replicas'>) =>
  claimEvents({ context: bench.context, replicas: bench.replicas, max: 4, inFlight: new Set() })

test('an event that another replica claims between the look and the claim is left to it', async (t) => {
  const bench = await setUpOutbox(t)
  await openEndpoint(bench.db, 'https://shop.example/events')
  await bench.insert(A)
  const { beat } = bench.replicas
  const slow: typeof beat = async (on = bench.db) => {
    await on.updateTable('outbox').set({ owner: 'replica-2' }).execute()
    return beat(on)
  }
  assert.deepEqual(await claim({ ...bench, replicas: { ...bench.replicas, beat: slow } }), [])
  assert.equal(only(await bench.unsent()).owner, 'replica-2')
})

for (const [name, posted] of [
  ['failed', { kind: 'failed', status: 500, message: 'no', isRefusal: false }],
  ['was cut', { kind: 'stopped' }],
] as const satisfies readonly (readonly [string, Posted])[]) {
  test(`an attempt that ${name} changes nothing of an event that another replica has claimed meanwhile`, async (t) => {
    const bench = await setUpOutbox(t)
    await openEndpoint(bench.db, 'https://shop.example/events')
    await bench.insert(A)
    const event = only(await claim(bench))
    await bench.db.updateTable('outbox').set({ owner: 'replica-2' }).execute()
    const before = await bench.unsent()
    await storeResults(bench.context, [{ event, posted }])
    assert.deepEqual(await bench.unsent(), before)
  })
}
