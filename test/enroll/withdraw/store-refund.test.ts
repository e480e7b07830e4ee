import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { asNew, lockDelivery, startAgain } from '../../../src/queue/change-deliveries.ts'
import { markHandled } from '../../../src/queue/mark-handled.ts'
import { purgeStep } from '../../../src/queue/retention.ts'
import { orderWithdrawal } from '../../../src/queue/withdraw.ts'
import { claimOrder, storeCalled } from '../../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../../src/queue/withdrawals/end-order.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import { worstOf } from '../../../src/queue/withdrawals/withdrawal.ts'
import { linesIn, setFacts, withdrawalsIn } from '../../lines.ts'
import {
  accepted,
  arrival,
  COURSE,
  only,
  onSqlite,
  retry,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'
import { until } from '../../service/process.ts'

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
  const outcome = { courses: {}, reason: { code: 'lms.refused', subject: 'full' } as const }
  await store.write([settled({ ...retry(id, 0), dueAt: null, outcome, effectUnknown: false })])
  await storeRefund(context, refundOf(A))
  const row = db.selectFrom('deliveries').select(['reads_first', 'state']).where('id', '=', id)
  const { reads_first, state } = await row.executeTakeFirstOrThrow()
  assert.deepEqual([reads_first, state], [1, 'queued'])
})

test('refunds of one course after the other leave the sale without one: it is handled', async (t) => {
  const { store, context, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(context, refundOf(A))
  assert.deepEqual((await store.readClaimed([id]))[0]?.request?.courseIds, [B])
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
  await store.write([settled({ ...retry(id, 0), dueAt: null, outcome: { courses, reason: null } })])
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
    .set({ withdrawal_state: 'done', withdrawal_at: START })
    .where('withdrawal_id', '=', first?.id ?? '')
    .execute()
  await db.deleteFrom('holds').execute()
  assert.deepEqual(
    (await claim(second.replicas))?.lines.map(({ sent }) => sent),
    [B],
  )
})

/** Ends the next order of a buyer: `why` says why the course was kept; absent: there was nothing to take away. */
async function endNext({ context, replicas }: Awaited<ReturnType<typeof setUp>>, why?: string): Promise<void> {
  const order = await claimOrder({ context, replicas })
  assert.ok(order)
  const result = { kind: why === undefined ? 'nothing' : 'kept', mode: null, why: why ?? '' } as const
  const results = new Map(order.lines.map(({ sent }) => [sent, result]))
  await endOrder(context, { order, attempted: { results, message: '' }, isLate: false })
  replicas.holds.ended([order.person])
}

test('a delivery is withdrawn when the last of its refunds has ended, and not before', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(bench.context, refundOf(A))
  await storeRefund(bench.context, refundOf(B))
  await endNext(bench)
  assert.equal((await bench.row(id)).state, 'handled')
  await endNext(bench)
  assert.equal((await bench.row(id)).state, 'withdrawn')
})

test('that the buyer is out of a refunded course is still known when the rest of its sale is done', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(bench.context, refundOf(A))
  await endNext(bench)
  const outcome = { courses: { [B]: 'enrolled' }, reason: null } as const
  await bench.store.write([settled({ ...retry(id, 0, 0, 1), dueAt: null, outcome })])
  const known = (await linesIn(bench.db, id)).map(({ result, standing }) => [result, standing?.standing])
  assert.deepEqual(known, [
    [null, 'missing'],
    ['enrolled', undefined],
  ])
  const again = await orderWithdrawal(bench.context, { id, courses: null, paid: false, by: 'ada' })
  assert.deepEqual(again.kind === 'ordered' && again.withdrawal.courses, [B])
})

test('a refund of a handled sale takes the one course although a check found the buyer out of the other one', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const outcome = { courses: { [B]: 'enrolled' }, reason: { code: 'lms.refused', subject: 'full', course: A } } as const
  await bench.store.write([settled({ ...retry(id, 0), dueAt: null, outcome })])
  const found = { standing: 'missing', mode: null, checkedAt: START, since: START } as const
  await setFacts(bench.db, id, { standings: { [A]: found } })
  await markHandled(bench.context, { id, as: 'settled', note: 'another course', by: 'ada' })
  const result = await storeRefund(bench.context, refundOf(A, B))
  assert.deepEqual(result.kind === 'accepted' && result.orders.map(({ course }) => course), [A, B])
})

test('a sale that was withdrawn as a whole has no reason any more, and nothing about it is unknown', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL, courseIds: [A] }))]))
  const outcome = { courses: {}, reason: { code: 'lms.refused', subject: 'full' } as const }
  await bench.store.write([settled({ ...retry(id, 0), dueAt: null, outcome, effectUnknown: true })])
  await storeRefund(bench.context, refundOf(A))
  await endNext(bench)
  const { state, reason, effect_unknown } = await bench.row(id)
  assert.deepEqual([state, reason, effect_unknown], ['withdrawn', null, 0])
})

for (const why of [undefined, 'the LMS forbids it']) {
  const type = why === undefined ? 'delivery.withdrawn' : 'delivery.refund_failed'
  test(`a refund that ends while its sale goes on with other courses is told to the shop: ${type}`, async (t) => {
    const bench = await setUp(t, { hasOutbox: true })
    await bench.store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))])
    await storeRefund(bench.context, refundOf(A))
    await endNext(bench, why)
    const { body } = await bench.db.selectFrom('outbox').select('body').executeTakeFirstOrThrow()
    const { type: told, data } = JSON.parse(body)
    assert.deepEqual(
      [told, data.state, data.withdrawing, data.refundFailed],
      [type, 'queued', [], why === undefined ? [] : [A]],
    )
  })
}

test('a refund concerns nobody whose address only looks alike: the Kelvin sign is no k', async (t) => {
  const { store, context, db } = await setUp(t)
  const sales = ['mark@x.example', 'mar\u212a@x.example'].map((email) => accepted(arrival({ email, courseIds: [A] })))
  const [, kelvin] = await store.write(sales)
  await storeRefund(context, { request: { email: 'mar\u212a@x.example', courseIds: [A] }, digest: A })
  assert.deepEqual(
    (await withdrawalsIn(db)).map(({ deliveryId }) => deliveryId),
    [kelvin?.id],
  )
})

test('a refund of what an operator has withdrawn and then marked as handled is known', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL }))]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  await endNext(bench)
  await bench.operations.markHandled({ id, as: 'paid_back', note: 'refunded', by: 'alice' })
  assert.equal((await storeRefund(bench.context, refundOf(COURSE))).kind, 'accepted')
})

test('the webhook-id of a refund goes with the buyer’s own delivery, and not with what corrects it', async (t) => {
  const { store, context, operations, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL }))]))
  await operations.correct({ id, email: 'bob@x.example', withdraw: null, by: 'alice' })
  await storeRefund(context, { ...refundOf(COURSE), webhookId: 'r_1' })
  assert.equal(only(await db.selectFrom('webhook_ids').select('delivery_id').execute()).delivery_id, id)
})

for (const concerned of ['a sale', 'a sale that was withdrawn before', 'a correction to another address']) {
  test(`a repeat of a refund of ${concerned} is known as one, although what else the buyer bought was deleted since`, async (t) => {
    const bench = await setUp(t)
    const { store, clock, context, operations } = bench
    const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A] }))]))
    if (concerned.includes('correction'))
      await operations.correct({ id, email: 'bob@x.example', withdraw: null, by: '' })
    const old = await store.write([1, 2].map((order) => accepted(arrival({ email: EMAIL, order }))))
    await store.write(old.map((one) => settled(succeeded(one.id))))
    if (concerned.includes('before')) {
      await storeRefund(context, refundOf(A))
      await endNext(bench)
    }
    clock.at += 1000
    const refund = { ...refundOf(A), webhookId: 'r_1' }
    assert.equal((await storeRefund(context, refund)).kind, 'accepted')
    const before = clock.at
    clock.at += 1000
    while ((await purgeStep({ ...context, before })) > 0);
    const again = await storeRefund(context, refund)
    assert.ok(again.kind === 'accepted' && again.isRepeat)
  })
}

test('a refund that names another refund as its sale takes nothing', async (t) => {
  const { store, context } = await setUp(t)
  const [first] = await store.write([1, 2].map((order) => accepted(arrival({ email: EMAIL, courseIds: [A], order }))))
  await storeRefund(context, { ...refundOf(A), webhookId: 'r_1', sale: first?.id ?? '' })
  const result = await storeRefund(context, { ...refundOf(A), webhookId: 'r_2', sale: 'r_1' })
  assert.equal(result.kind, 'never_sold')
})

test('an attempt that a refund outdates may have done what nobody stores, so the withdrawal looks', async (t) => {
  const { store, context, row } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const [delivery] = await store.readClaimed([id])
  assert.ok(delivery)
  await store.beginAttempt([delivery])
  await storeRefund(context, refundOf(A))
  // It has enrolled the buyer in A, and nothing of B is unknown.
  const outcome = { courses: { [A]: 'enrolled' as const }, reason: null }
  await store.write([settled({ ...retry(id, START + 5000), outcome, effectUnknown: false })])
  assert.deepEqual([(await row(id)).reads_first, (await row(id)).state], [1, 'queued'])
})

/**
 * Orders something while another replica stores that a sale came again: the order waits for its lock. On SQLite, one
 * transaction that writes comes after the other.
 */
async function orderedDuringRepeat(
  bench: Awaited<ReturnType<typeof setUp>>,
  id: string,
  order: () => Promise<unknown>,
) {
  const other = await bench.replica('replica-2')
  const isWaiting = async (): Promise<boolean> => {
    const query = sql`select info from information_schema.processlist
      where info like 'update \`deliveries\`%' or info like 'insert into \`delivery_lines\`%'`
    return (await query.execute(bench.db)).rows.length > 0
  }
  const { ordered } = await other.db.transaction().execute(async (trx) => {
    await lockDelivery({ trx }, id)
    await startAgain({ trx, at: START }, { ids: [id], as: 'sale', lineOf: asNew })
    const ordered = order()
    if (!onSqlite()) await until('the order waits', async () => (await isWaiting()) || undefined)
    return { ordered }
  })
  await ordered
}

test('a failed refund that is tried again while its sale comes again orders nothing: the sale is the newer statement', async (t) => {
  const bench = await setUp(t)
  const { store, context, db } = bench
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL }))]))
  await store.write([settled(succeeded(id))])
  const refund = { ...refundOf(COURSE), webhookId: 'r_1' }
  await storeRefund(context, refund)
  const order = await claimOrder(bench)
  assert(order)
  const results = new Map([[COURSE, { kind: 'kept', mode: null, why: 'refused' } as const]])
  await endOrder(context, { order, attempted: { results, message: '' }, isLate: false })
  await orderedDuringRepeat(bench, id, () => storeRefund(context, refund))
  assert.equal(only(await linesIn(db, id)).withdrawal, null)
})

test('an operator’s withdrawal takes another sale along that comes again just before', async (t) => {
  const bench = await setUp(t)
  const sold = async (order: number): Promise<string> => {
    const { id } = only(await bench.store.write([accepted(arrival({ email: EMAIL, order }))]))
    await bench.store.write([settled(succeeded(id))])
    return id
  }
  const [id, again] = [await sold(1), await sold(2)]
  await orderedDuringRepeat(bench, again, () =>
    orderWithdrawal(bench.context, { id, courses: null, paid: false, by: 'op' }),
  )
  const withdrawals = (await Promise.all([id, again].map((one) => linesIn(bench.db, one)))).map(
    (lines) => only(lines).withdrawal,
  )
  assert.deepEqual(
    withdrawals.map((one) => one?.by),
    ['op', 'op'],
  )
})

for (const isInPlace of [false, true]) {
  const what = isInPlace ? 'a refund is open in the place of a withdrawal' : 'a refund is open'
  test(`a sale that comes again while ${what} gives anew what may have been taken away, and no other course`, async (t) => {
    const bench = await setUp(t)
    const sale = accepted(arrival({ email: EMAIL, courseIds: [A, B] }))
    const { id } = only(await bench.store.write([sale]))
    const account = { id: 7, username: 'ada' }
    const outcome = { courses: { [A]: 'enrolled', [B]: 'enrolled' }, reason: null } as const
    await bench.store.write([
      settled({ ...retry(id, 0), dueAt: null, outcome, accounts: { [A]: account, [B]: account } }),
    ])
    if (isInPlace) await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
    else await storeRefund(bench.context, refundOf(A, B))
    const order = await claimOrder(bench)
    assert.ok(order)
    await bench.db.transaction().execute((trx) => storeCalled(trx, { order, sent: A }))
    if (isInPlace) await storeRefund(bench.context, refundOf(A, B))
    await bench.store.write([sale])
    assert.deepEqual(
      (await linesIn(bench.db, id)).map((line) => line.account),
      [null, account],
    )
  })
}

test('a replay of what has failed of a sale leaves the refunded course alone, and a replay of all gives it back', async (t) => {
  const { store, context, operations, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(context, refundOf(A))
  const set = (state: 'needs_attention' | 'enrolled' | 'withdrawn') =>
    db.updateTable('deliveries').set({ state, due_at: null }).where('id', '=', id).execute()
  const attempted = async () => (await store.readClaimed([id]))[0]?.request?.courseIds
  await set('needs_attention')
  await operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual(await attempted(), [B])
  await set('enrolled')
  await operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual(await attempted(), [A, B], 'nothing has failed, so the operator wants it back')
})

test('a replay of a failed sale whose courses are all withdrawn gives them all back', async (t) => {
  const { store, context, operations, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  await storeRefund(context, refundOf(A, B))
  await db.updateTable('deliveries').set({ state: 'needs_attention', due_at: null }).where('id', '=', id).execute()
  await operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual((await store.readClaimed([id]))[0]?.request?.courseIds, [A, B])
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

test('an operator’s withdrawal from a sale that needs attention leaves the rest of it to a person', async (t) => {
  const { store, operations, row } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ email: EMAIL, courseIds: [A, B] }))]))
  const outcome = { courses: { [A]: 'enrolled' as const }, reason: { code: 'course.missing', subject: B } as const }
  await store.write([settled({ ...retry(id, 0), dueAt: null, outcome })])
  await operations.withdraw({ id, courses: [A], paid: false, by: 'alice' })
  assert.equal((await row(id)).state, 'needs_attention')
})

test('of several withdrawals, one that failed decides before one that was kept, and none does while one is open', () => {
  assert.equal(worstOf(['done', 'kept', 'failed']), 'failed')
  assert.equal(worstOf(['done', 'kept']), 'kept')
  assert.equal(worstOf(['done', 'done']), 'done')
  assert.equal(worstOf(['failed', null]), null)
})
