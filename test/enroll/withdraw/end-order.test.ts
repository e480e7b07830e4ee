import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../../src/queue/withdrawals/end-order.ts'
import { orderAgain } from '../../../src/queue/withdrawals/keepers.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import type { CourseWithdrawal } from '../../../src/sale/line.ts'
import { linesIn, setFacts, withdrawalsShown } from '../../lines.ts'
import {
  accepted,
  arrival,
  COURSE,
  only,
  type Replica,
  retry,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

const EMAIL = 'ada@x.example'
const REFUND = { request: { email: EMAIL, courseIds: [COURSE] }, digest: 'refund', webhookId: 'r_1' }
const OTHER = 'course-v1:edX+Other+2026'
const REFUND_OF_OTHER = { request: { email: EMAIL, courseIds: [OTHER] }, digest: 'other', webhookId: 'r_2' }
const KEPT: CourseWithdrawal = { kind: 'kept', mode: null, why: 'the LMS forbids it' }
const TAKEN: CourseWithdrawal = { kind: 'unenrolled', mode: 'audit', why: '' }

const sold = async ({ store }: Replica): Promise<string> =>
  only(await store.write([accepted(arrival({ email: EMAIL }))])).id

/** Ends the next order with this result in each course. */
async function endNext({ context, replicas }: Replica, result: CourseWithdrawal): Promise<void> {
  const order = await claimOrder({ context, replicas })
  assert(order)
  const results = new Map(order.lines.map(({ sent }) => [sent, result]))
  await endOrder(context, { order, attempted: { results, message: '' }, isLate: false })
  replicas.holds.ended([order.person])
}

test('a sale that has reported nothing is not withdrawn by an order that left its course', async (t) => {
  const bench = await setUp(t)
  const id = await sold(bench)
  await storeRefund(bench.context, REFUND)
  await endNext(bench, KEPT)
  assert.equal((await bench.row(id)).state, 'handled')
})

test('no access of a sale has ended once the buyer is taken out of that course', async (t) => {
  const bench = await setUp(t)
  const id = await sold(bench)
  await bench.store.write([settled(succeeded(id))])
  const gone = { standing: 'unenrolled', mode: 'audit', checkedAt: START, since: START, endedAt: START } as const
  await setFacts(bench.db, id, { standings: { [COURSE]: gone } })
  await bench.db.updateTable('deliveries').set({ ended_at: START }).where('id', '=', id).execute()
  await storeRefund(bench.context, REFUND)
  await endNext(bench, TAKEN)
  assert.equal((await bench.row(id)).ended_at, null)
})

test('the refund of a course does not wait for a failed order that has taken the buyer out of it', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL, courseIds: [COURSE, OTHER] }))]))
  const courses = { [COURSE]: 'enrolled', [OTHER]: 'enrolled' } as const
  await bench.store.write([settled({ ...succeeded(id), outcome: { courses, reason: null } })])
  await bench.operations.withdraw({ id, courses: null, paid: true, by: 'alice' })
  const order = await claimOrder(bench)
  assert(order)
  const attempted = { results: new Map([[COURSE, TAKEN]]), message: 'no answer' }
  await endOrder(bench.context, { order, attempted, isLate: false })
  const result = await storeRefund(bench.context, REFUND)
  assert.deepEqual('orders' in result && result.orders, [])
})

test('a refund that is tried again is tried again for a correction, too, whose own order has failed', async (t) => {
  const bench = await setUp(t)
  const id = await sold(bench)
  await bench.store.write([settled(succeeded(id))])
  await storeRefund(bench.context, REFUND)
  await endNext(bench, KEPT)
  const corrected = await bench.operations.correct({ id, email: 'bob@x.example', withdraw: null, by: 'alice' })
  const correction = 'id' in corrected ? corrected.id : ''
  await bench.store.write([settled(succeeded(correction))])
  const second = await storeRefund(bench.context, REFUND)
  assert.deepEqual('deliveries' in second && second.deliveries, [id, correction])
  await endNext(bench, TAKEN)
  await endNext(bench, KEPT)
  const result = await storeRefund(bench.context, REFUND)
  const orders = 'orders' in result ? result.orders.map(({ delivery }) => delivery) : []
  assert.deepEqual(orders.sort(), [id, correction])
  assert.equal((await withdrawalsShown(bench.operations, correction))[0]?.endedAt, null)
})

/** A sale of two courses, of which the LMS has refused the second one, or has not answered for any. */
async function soldBoth({ store }: Replica, isRefused: boolean): Promise<string> {
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [COURSE, OTHER] }))]))
  const reason = { code: 'lms.refused', subject: 'full', course: OTHER } as const
  const refused = { ...succeeded(id), outcome: { courses: { [COURSE]: 'enrolled' as const }, reason } }
  await store.write([settled(isRefused ? refused : retry(id, START))])
  return id
}

test('a handled sale of which one course was refunded is still handled, and the refund of the other one looks at it', async (t) => {
  const bench = await setUp(t)
  const id = await soldBoth(bench, true)
  await bench.operations.markHandled({ id, as: 'settled', note: 'enrolled by hand', by: 'alice' })
  await storeRefund(bench.context, REFUND)
  await endNext(bench, TAKEN)
  assert.equal((await bench.row(id)).state, 'handled')
  const result = await storeRefund(bench.context, REFUND_OF_OTHER)
  assert.deepEqual('orders' in result && result.orders.map(({ course }) => course), [OTHER])
  await endNext(bench, TAKEN)
  assert.equal((await bench.row(id)).state, 'withdrawn')
})

test('an order that is due again for one course leaves what is known of the other one', async (t) => {
  const bench = await setUp(t)
  const id = await soldBoth(bench, false)
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const order = await claimOrder(bench)
  assert(order)
  const keptBy = only(await bench.store.write([accepted(arrival({ email: EMAIL, order: 2 }))])).id
  const left: CourseWithdrawal = { kind: 'nothing', mode: null, why: 'kept', keptBy }
  const results = new Map([[COURSE, TAKEN] as const, [OTHER, left] as const])
  await endOrder(bench.context, { order, attempted: { results, message: '' }, isLate: false })
  bench.replicas.holds.ended([order.person])
  await bench.db
    .transaction()
    .execute((trx) =>
      orderAgain({ trx, at: START }, [
        { id: keptBy, state: 'needs_attention', handled_as: null, replaced_by: null, lines: [] },
      ]),
    )
  bench.clock.at += 60_000
  await endNext(bench, TAKEN)
  assert.deepEqual(
    (await linesIn(bench.db, id)).map(({ standing }) => standing?.checkedAt),
    [START, START + 60_000],
  )
})

test('a sale is not withdrawn while an earlier refund has left one of its courses, and that refund is tried again', async (t) => {
  const bench = await setUp(t)
  const id = await soldBoth(bench, false)
  await storeRefund(bench.context, REFUND)
  await endNext(bench, KEPT)
  await storeRefund(bench.context, REFUND_OF_OTHER)
  await endNext(bench, TAKEN)
  assert.equal((await bench.row(id)).state, 'handled')
  const again = await storeRefund(bench.context, REFUND)
  assert.deepEqual('orders' in again && again.orders.map(({ course }) => course), [COURSE])
})
