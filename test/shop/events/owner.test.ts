import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimEvents } from '../../../src/queue/outbox/claim.ts'
import { openEndpoint } from '../../../src/queue/outbox/endpoint.ts'
import { type Posted, storeResult } from '../../../src/queue/outbox/store-result.ts'
import { only, type Replica } from '../../queue/harness.ts'
import { setUpOutbox } from './outbox.ts'

const A = '01KGA00000000000000000000A'
const HOLD = `event:${A}`
const claim = (bench: Awaited<ReturnType<typeof setUpOutbox>>) =>
  claimEvents({ context: bench.context, holds: bench.replicas.holds, max: 4 })

test('the events of a delivery are left to the replica that has their hold', async (t) => {
  const bench = await setUpOutbox(t)
  await openEndpoint(bench.db, 'https://shop.example/events')
  await bench.insert(A)
  await bench.db.insertInto('holds').values({ name: HOLD, replica: 'replica-2' }).execute()
  assert.deepEqual(await claim(bench), [])
  await bench.db.deleteFrom('holds').execute()
  assert.equal(only(await claim(bench)).about, A)
})

for (const [name, change] of [
  [
    'that another replica has attempted',
    (db) => db.updateTable('outbox').set((eb) => ({ due_at: eb('due_at', '+', 1) })),
  ],
  ['that another replica sends', (db) => db.insertInto('holds').values({ name: HOLD, replica: 'replica-2' })],
  ['that another replica has given up', (db) => db.updateTable('outbox').set({ failed_at: 1 })],
  ['whose endpoint went down', (db) => db.updateTable('endpoints').set({ state: 'down' })],
] as const satisfies readonly (readonly [string, (db: Replica['db']) => { execute: () => Promise<unknown> }])[]) {
  test(`an event ${name} between the look and the hold is left for later`, async (t) => {
    const bench = await setUpOutbox(t)
    await openEndpoint(bench.db, 'https://shop.example/events')
    await bench.insert(A)
    const { holds } = bench.replicas
    const late: typeof holds.take = async (names, body) => {
      await change(bench.db).execute()
      return holds.take(names, body)
    }
    assert.deepEqual(await claimEvents({ context: bench.context, holds: { ...holds, take: late }, max: 4 }), [])
    const held = bench.db.selectFrom('holds').select('name').where('replica', '=', bench.me)
    assert.deepEqual(await held.execute(), [])
  })
}

for (const [name, posted] of [
  ['failed', { kind: 'failed', status: 500, message: 'no', isRefusal: false }],
  ['was cut', { kind: 'stopped' }],
] as const satisfies readonly (readonly [string, Posted])[]) {
  test(`an attempt that ${name} changes nothing of an event whose hold was ended meanwhile`, async (t) => {
    const bench = await setUpOutbox(t)
    await openEndpoint(bench.db, 'https://shop.example/events')
    await bench.insert(A)
    const event = only(await claim(bench))
    await bench.db.updateTable('holds').set({ replica: 'replica-2' }).execute()
    const before = await bench.unsent()
    await storeResult({ ...bench.context, holds: bench.replicas.holds }, { event, posted })
    assert.deepEqual(await bench.unsent(), before)
    assert.equal((await bench.rows('holds')).length, 1)
  })
}
