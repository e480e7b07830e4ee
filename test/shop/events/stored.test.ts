import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inTransaction } from '../../../src/database/transaction.ts'
import { forget } from '../../../src/operators/changes/forget.ts'
import { insertEvents } from '../../../src/queue/events.ts'
import { eventOf, eventOfState, readShopViews, shopView } from '../../../src/queue/outbox/outbox.ts'
import { sendAgain } from '../../../src/queue/outbox/send-again.ts'
import { purgeOutboxStep } from '../../../src/queue/retention.ts'
import { reasonColumns } from '../../../src/queue/rows.ts'
import { claimOrder, holdsOf, releaseOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../../src/queue/withdrawals/end-order.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import { DELIVERY_STATES, REASON_CODES, REASONS } from '../../../src/sale/types.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  only,
  rejectedArrival,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

const outboxOf = ({ db }: Pick<Awaited<ReturnType<typeof setUp>>, 'db'>) =>
  db.selectFrom('outbox').selectAll().orderBy('id').execute()

const types = async ({ db }: Pick<Awaited<ReturnType<typeof setUp>>, 'db'>): Promise<string[]> =>
  (await db.selectFrom('outbox').select('type').orderBy('id').execute()).map(({ type }) => type)

test('an event is stored with each result, and none with a receipt, a repeat or a retry', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { store } = bench
  const [one, two] = await store.write([accepted(arrival()), accepted(arrival({ order: 2 }))])
  assert(one && two)
  assert.deepEqual(await types(bench), [])
  await store.write([settled(succeeded(one.id)), settled(needsAttention(two.id))])
  assert.deepEqual(await types(bench), ['delivery.enrolled', 'delivery.needs_attention'])
  await store.write([accepted(arrival())])
  await store.write([accepted(rejectedArrival())])
  assert.equal((await types(bench)).length, 2)
})

test('the id of an event in the timeline is the webhook-id of the event for the shop', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  const { events } = only(await bench.store.write([settled(succeeded(id))]))
  const [row] = await outboxOf(bench)
  assert.equal(row?.id, only(events).id)
})

test('the events of a delivery are numbered in the order in which they were stored, all kinds together', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const written = await bench.store.write([accepted(arrival()), accepted(arrival({ order: 2 })), accepted(arrival())])
  const [one, two] = written
  assert(one && two)
  await bench.store.write([settled(succeeded(two.id)), settled(succeeded(one.id, 'enrolled', 1))])
  const numbers = async (id: string) =>
    (await bench.db.selectFrom('events').select(['seq', 'kind']).where('delivery_id', '=', id).execute())
      .map(({ seq, kind }) => `${seq} ${kind}`)
      .sort()
  assert.deepEqual(await numbers(one.id), ['1 received', '2 repeated', '3 enrolled'])
  assert.deepEqual(await numbers(two.id), ['1 received', '2 enrolled'])
  assert.deepEqual(
    (await outboxOf(bench)).map(({ about, seq, body }) => [about, seq, JSON.parse(body).sequence]),
    [
      [two.id, 2, 2],
      [one.id, 3, 3],
    ],
  )
})

test('without LERNITO_EVENTS_URL no event is stored', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  assert.deepEqual(await types(bench), [])
})

test('a transaction that is rolled back stores no event', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(needsAttention(id))])
  const before = await outboxOf(bench)
  let stored = 0
  const failing = bench.db.transaction().execute(async (trx) => {
    await trx.updateTable('deliveries').set({ state: 'enrolled' }).where('id', '=', id).execute()
    await insertEvents({ ...bench.context, trx, at: START }, [{ deliveryId: id, kind: 'claimed', detail: '' }])
    stored = (await trx.selectFrom('outbox').select('id').execute()).length
    throw new Error('rolled back')
  })
  await assert.rejects(failing, /rolled back/)
  assert.equal(stored, 2)
  assert.deepEqual(await outboxOf(bench), before)
  assert.equal((await bench.row(id)).state, 'needs_attention')
})

test('a result that the shop no longer waits for has no event: the sale came again, and its next result has one', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([accepted(arrival())])
  await bench.store.write([settled(succeeded(id))])
  assert.deepEqual(await types(bench), [])
  await bench.store.write([settled(succeeded(id, 'enrolled', 1))])
  assert.deepEqual(await types(bench), ['delivery.enrolled'])
})

test('a sale with wrong fields that comes again has an event, but not after an operator has handled or corrected it', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(rejectedArrival())]))
  await bench.store.write([accepted(rejectedArrival())])
  assert.deepEqual(await types(bench), ['delivery.rejected', 'delivery.rejected'])
  await bench.operations.markHandled({ id, as: 'settled', note: 'enrolled by hand', by: 'alice' })
  const again = only(await bench.store.write([accepted(rejectedArrival())]))
  assert.deepEqual(
    again.events.map(({ kind }) => kind),
    ['repeated'],
  )
  assert.equal(again.progress.reason?.code, 'payload.invalid')
  assert.equal((await types(bench)).length, 2)
})

test('an operator sends the state of a delivery again, as a new event', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  const again = async () => (await sendAgain(bench.context, { id, by: 'alice' })).kind
  assert.equal(await again(), 'nothing')
  await bench.store.write([settled(needsAttention(id))])
  assert.equal(await again(), 'sent')
  const [first, second] = await outboxOf(bench)
  assert(first && second)
  assert.notEqual(first.id, second.id)
  assert.deepEqual(JSON.parse(second.body).data, JSON.parse(first.body).data)
  await bench.operations.markHandled({ id, as: 'settled', note: 'done', by: 'alice' })
  assert.equal(await again(), 'nothing')
  assert.equal((await sendAgain(bench.context, { id: 'x', by: 'alice' })).kind, 'unknown')
  assert.deepEqual(
    (await bench.operations.audit({})).items.map(({ kind, actor }) => [kind, actor]),
    [
      ['settled', 'alice'],
      ['sent_again', 'alice'],
    ],
  )
})

test('only a refund that has ended and left the course has failed, and no withdrawal by an operator', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  const failed = async () => (await readShopViews({ trx: bench.db }, [id])).get(id)?.refundFailed
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const order = await claimOrder(bench)
  assert(order)
  const results = new Map([[COURSE, { kind: 'kept', mode: null, why: 'refused' } as const]])
  await endOrder(bench.context, { order, attempted: { results, message: '' }, isLate: false })
  assert.deepEqual(await failed(), [])
  await storeRefund(bench.context, { request: { email: 'ada@example.com', courseIds: [COURSE] }, digest: 'refund' })
  assert.deepEqual(await failed(), [])
})

test('a course that another sale keeps is told once the withdrawal has ended', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const other = only(await bench.store.write([accepted(arrival({ order: 2 }))])).id
  const kept = async () => (await readShopViews({ trx: bench.db }, [id])).get(id)?.kept
  const order = await claimOrder(bench)
  assert(order)
  const attempted = {
    results: new Map([[COURSE, { kind: 'nothing', mode: null, why: 'kept', keptBy: other } as const]]),
    message: 'another course failed',
  }
  const changed = { attempts: 1, attempted }
  await inTransaction({
    ...bench.context,
    body: (trx) => releaseOrder(trx, { order, dueAt: 0, isLate: false, changed }),
  })
  order.holds.ended(holdsOf(order))
  assert.deepEqual(await kept(), [])
  const again = await claimOrder(bench)
  assert(again)
  await endOrder(bench.context, { order: again, attempted: { ...attempted, message: '' }, isLate: false })
  assert.deepEqual(await kept(), [{ course: COURSE, reason: 'sale', delivery: other }])
  const [last] = await bench.db.selectFrom('outbox').select('body').where('type', '=', 'delivery.withdrawn').execute()
  const { data } = JSON.parse(last?.body ?? '')
  assert.deepEqual([data.state, data.kept], ['withdrawn', [{ course: COURSE, reason: 'sale', delivery: other }]])
})

test('erasing a person erases the events about their sales', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  await forget(bench.context, { email: 'ada@example.com', by: 'alice', silentMs: 0, landsMs: 0 })
  assert.deepEqual(await types(bench), [])
})

test('events that nothing sends are deleted by age', async (t) => {
  const bench = await setUp(t, { hasOutbox: true })
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  assert.equal(await purgeOutboxStep({ db: bench.db, before: bench.clock.at }), 0)
  assert.equal(await purgeOutboxStep({ db: bench.db, before: bench.clock.at + 1 }), 1)
  assert.deepEqual(await types(bench), [])
})

test('no event quotes what the LMS or our own database says, because that may name people', () => {
  const secret = 'ada@example.com'
  const quoting = REASON_CODES.filter((code) => {
    const stored = {
      state: REASONS[code].state,
      received_at: 0,
      ...reasonColumns({ code, subject: secret }),
      lines: [],
    }
    const row = {
      id: 'x',
      webhook_id: null,
      source: 'shop',
      replaces: null,
      replaced_by: null,
      ended_at: null,
      kept: [],
      ...stored,
    } as const
    return shopView(row).reason?.message.includes(secret)
  })
  assert.ok(quoting.length > 0)
  const sentByShop: readonly string[] = ['course_key', 'malformed_key']
  assert.deepEqual(
    quoting.filter((code) => !sentByShop.includes(REASONS[code].subject)),
    [],
  )
})

test('a sale that waits for an account is told as such, even if the access to its other course has ended', () => {
  assert.equal(eventOf({ state: 'pre_enrolled', ended_at: START }), 'pre_enrolled')
})

test('every state that the shop can act on has an event', () => {
  assert.deepEqual(
    DELIVERY_STATES.filter((state) => eventOfState(state) === null),
    ['queued', 'handled'],
  )
})
