import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import { withdrawalsIn } from '../../lines.ts'
import { accepted, arrival, only, retry, START, settled, setUp } from '../../queue/harness.ts'

const EMAIL = 'ada@x.example'
const [A, B] = ['course-v1:x+A+1', 'course-v1:x+B+1'] as const
const refundOf = (...courseIds: string[]) => ({ request: { email: EMAIL, courseIds }, digest: courseIds.join() })

for (const effectUnknown of [true, false]) {
  test(`a sale that goes on ${effectUnknown ? 'reads first if its effect is unknown' : 'enrolls at once if its effect is known'}`, async (t) => {
    const { store, context, db } = await setUp(t)
    const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
    await store.write([settled({ ...retry(id, START + 5000), effectUnknown })])
    await storeRefund(context, refundOf(A))
    const row = db.selectFrom('deliveries').select(['effect_unknown', 'state', 'generation']).where('id', '=', id)
    const { effect_unknown, state, generation } = await row.executeTakeFirstOrThrow()
    assert.deepEqual([effect_unknown, state, generation], [effectUnknown ? 1 : 0, 'queued', 1])
  })
}

test('one that needed attention reads first, because what its attempts did is not known', async (t) => {
  const { store, context, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await store.write([settled({ ...retry(id, 0), state: 'needs_attention', dueAt: null, effectUnknown: false })])
  await storeRefund(context, refundOf(A))
  const row = db.selectFrom('deliveries').select(['effect_unknown', 'state']).where('id', '=', id)
  const { effect_unknown, state } = await row.executeTakeFirstOrThrow()
  assert.deepEqual([effect_unknown, state], [1, 'queued'])
})

test('refunds of one course after the other leave the sale without one: it is handled', async (t) => {
  const { store, context, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(context, refundOf(A))
  assert.deepEqual((await store.readClaimed([id])).deliveries[0]?.request?.courseIds, [B])
  await storeRefund(context, refundOf(B))
  const row = db.selectFrom('deliveries').select(['state', 'generation']).where('id', '=', id)
  const orders = await withdrawalsIn(db)
  const { state, generation } = await row.executeTakeFirstOrThrow()
  assert.deepEqual([state, generation, orders.map(({ courses }) => courses)], ['handled', 1, [[A], [B]]])
})

test('of two orders for one delivery, the second is claimed when the first has ended', async (t) => {
  const { store, context, db, replica, replicas } = await setUp(t)
  const second = await replica('replica-2')
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const courses = { [A]: 'enrolled', [B]: 'enrolled' } as const
  await store.write([settled({ ...retry(id, 0), state: 'enrolled', dueAt: null, outcome: { courses, reason: null } })])
  await storeRefund(context, refundOf(A))
  await storeRefund(context, refundOf(B))
  const claim = (on: typeof replicas) => claimOrder({ context, replicas: on })
  const first = await claim(replicas)
  assert.deepEqual(
    first?.lines.map(({ sent }) => sent),
    [A],
  )
  assert.equal(await claim(second.replicas), null)
  await db
    .updateTable('delivery_lines')
    .set({ withdrawal_state: 'ended', withdrawal_at: START })
    .where('withdrawal_id', '=', first?.id ?? '')
    .execute()
  await db.deleteFrom('holds').execute()
  assert.deepEqual(
    (await claim(second.replicas))?.lines.map(({ sent }) => sent),
    [B],
  )
})

test('an attempt that a refund outdates may have done what nobody stores, so the withdrawal looks', async (t) => {
  const { store, context, row } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const [delivery] = (await store.readClaimed([id])).deliveries
  assert.ok(delivery)
  await store.beginAttempt([delivery])
  await storeRefund(context, refundOf(A))
  // It has enrolled the buyer in A, and nothing of B is unknown.
  const outcome = { courses: { [A]: 'enrolled' as const }, reason: null }
  await store.write([settled({ ...retry(id, START + 5000), outcome, effectUnknown: false })])
  assert.deepEqual([(await row(id)).effect_unknown, (await row(id)).state], [1, 'queued'])
})

test('a replay of what has failed of a sale leaves the refunded course alone, and a replay of all gives it back', async (t) => {
  const { store, context, operations, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(context, refundOf(A))
  const set = (state: 'needs_attention' | 'enrolled' | 'withdrawn') =>
    db.updateTable('deliveries').set({ state, due_at: null }).where('id', '=', id).execute()
  const attempted = async () => (await store.readClaimed([id])).deliveries[0]?.request?.courseIds
  await set('needs_attention')
  await operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual(await attempted(), [B])
  await set('enrolled')
  await operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual(await attempted(), [A, B], 'nothing has failed, so the operator wants it back')
})

test('a withdrawal of one course waits for no order about another one', async (t) => {
  const { store, operations } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const order = { id, paid: false, by: 'alice' }
  assert.equal((await operations.withdraw({ ...order, courses: [A] })).kind, 'ordered')
  assert.equal((await operations.withdraw({ ...order, courses: [A] })).kind, 'pending')
  const both = await operations.withdraw({ ...order, courses: [A, B] })
  assert.deepEqual('withdrawal' in both && both.withdrawal.courses, [B])
})
