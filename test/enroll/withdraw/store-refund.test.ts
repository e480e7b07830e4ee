import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import { accepted, arrival, only, retry, START, settled, setUp } from '../../queue/harness.ts'

const EMAIL = 'ada@x.example'
const [A, B] = ['course-v1:x+A+1', 'course-v1:x+B+1'] as const
const refundOf = (...courseIds: string[]) => ({ request: { email: EMAIL, courseIds }, digest: courseIds.join() })

for (const effectUnknown of [true, false]) {
  test(`the rest of a sale whose effect is ${effectUnknown ? 'unknown reads first' : 'known enrolls at once'}`, async (t) => {
    const { store, context, db } = await setUp(t)
    const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
    await store.write([settled({ ...retry(id, START + 5000), effectUnknown })])
    await storeRefund(context, refundOf(A))
    const rest = db.selectFrom('deliveries').select('effect_unknown').where('replaces', '=', id)
    assert.equal((await rest.executeTakeFirstOrThrow()).effect_unknown, effectUnknown ? 1 : 0)
  })
}

test('the rest of a sale knows what the shop was told of its buyer, so that nothing is told again', async (t) => {
  const { store, context, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const achievements = JSON.stringify({ [B]: { passedAt: START } })
  await db.updateTable('deliveries').set({ achievements }).where('id', '=', id).execute()
  await storeRefund(context, refundOf(A))
  const rest = db.selectFrom('deliveries').select('achievements').where('replaces', '=', id)
  assert.equal((await rest.executeTakeFirstOrThrow()).achievements, achievements)
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
  assert.match(first?.row.courses ?? '', /A/)
  assert.equal(await claim(second.replicas), null)
  await db
    .updateTable('withdrawals')
    .set({ ended_at: START })
    .where('id', '=', first?.row.id ?? '')
    .execute()
  await db.deleteFrom('holds').execute()
  assert.match((await claim(second.replicas))?.row.courses ?? '', /B/)
})
