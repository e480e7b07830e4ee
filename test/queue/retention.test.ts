import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stepReplay } from '../../src/operators/changes/bulk-steps.ts'
import { purgeAuditStep, purgeReplayedStep, purgeStep, runRetention } from '../../src/queue/retention.ts'
import { storeRefundId } from '../../src/queue/withdrawals/store-refund.ts'
import { until } from '../service/process.ts'
import { accepted, arrival, needsAttention, retry, START, settled, setUp, succeeded, timeline } from './harness.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

test('a finished delivery is deleted with its events once its last activity is too old, and not before', async (t) => {
  const { store, clock, rows, context } = await setUp(t)
  const [{ id } = { id: '' }] = await store.write([accepted(arrival())])
  clock.at += 1000
  await store.write([settled(succeeded(id))])
  assert.equal(await purgeStep({ ...context, before: START + 1000 }), 0)
  assert.equal(await purgeStep({ ...context, before: START + 1001 }), 1)
  assert.deepEqual([await rows('deliveries'), await rows('events'), await rows('delivery_lines')], [[], [], []])
})

test('a delivery with an open withdrawal is never deleted, however old it is, and delays no other deletion', async (t) => {
  const { store, rows, operations, context } = await setUp(t)
  const emails = Array.from({ length: 205 }, (_, i) => `p${i}@example.com`)
  const sales = await store.write(emails.map((email) => accepted(arrival({ email }))))
  await store.write(sales.map(({ id }) => settled(succeeded(id))))
  for (const { id } of sales.slice(0, 202)) await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const before = START + 1000 * DAY_MS
  assert.deepEqual([await purgeStep({ ...context, before }), await purgeStep({ ...context, before })], [3, 0])
  assert.equal((await rows('delivery_lines')).length, 202)
})

test('a waiting delivery is never deleted, however old it is', async (t) => {
  const { store, rows, context } = await setUp(t)
  const [{ id } = { id: '' }] = await store.write([accepted(arrival())])
  await store.write([settled(retry(id, START + DAY_MS))])
  assert.equal(await purgeStep({ ...context, before: START + 1000 * DAY_MS }), 0)
  assert.equal((await rows('deliveries')).length, 1)
})

test('a delivery that needs attention is never deleted, however old it is, and delays no other deletion', async (t) => {
  const { store, rows, operations, context } = await setUp(t)
  const emails = Array.from({ length: 250 }, (_, i) => `p${i}@example.com`)
  const open = await store.write(emails.map((email) => accepted(arrival({ email }))))
  await store.write(open.map(({ id }) => settled(needsAttention(id))))
  const [done] = await store.write([accepted(arrival({ email: 'done@example.com' }))])
  await store.write([settled(succeeded(done?.id ?? ''))])
  const before = START + 1000 * DAY_MS
  assert.equal(await purgeStep({ ...context, before }), 1)
  assert.equal(await purgeStep({ ...context, before }), 0)
  assert.equal((await rows('deliveries')).length, 250)
  await operations.markHandled({ id: open[0]?.id ?? '', as: 'settled', note: '', by: 'alice' })
  assert.equal(await purgeStep({ ...context, before }), 1)
})

test('a corrected sale is kept as long as its correction, by which a refund of it goes on', async (t) => {
  const { store, operations, context } = await setUp(t)
  const [{ id } = { id: '' }] = await store.write([accepted(arrival())])
  await store.write([settled(succeeded(id))])
  const corrected = await operations.correct({ id, email: 'alice@example.com', withdraw: null, by: 'alice' })
  const correction = 'id' in corrected ? corrected.id : ''
  await store.write([settled(needsAttention(correction))])
  const before = START + 1000 * DAY_MS
  assert.equal(await purgeStep({ ...context, before }), 0)
  await operations.markHandled({ id: correction, as: 'settled', note: '', by: 'alice' })
  assert.deepEqual([await purgeStep({ ...context, before }), await purgeStep({ ...context, before })], [1, 1])
})

test('a repeat counts as activity', async (t) => {
  const { store, db, clock, context } = await setUp(t)
  const [{ id } = { id: '' }] = await store.write([accepted(arrival())])
  await store.write([settled(succeeded(id))])
  clock.at += 90 * DAY_MS
  await store.write([accepted(arrival())])
  await store.write([settled(succeeded(id))])
  assert.equal(await purgeStep({ ...context, before: START + DAY_MS }), 0)
  assert.deepEqual(await timeline({ db }, id), ['received', 'enrolled', 'repeated', 'enrolled'])
})

test('retention deletes in small steps until nothing is too old, and keeps the rest', async (t) => {
  const { store, db, clock, rows, context } = await setUp(t)
  const emails = Array.from({ length: 450 }, (_, i) => `p${i}@example.com`)
  const old = await store.write(emails.map((email) => accepted(arrival({ email }))))
  await store.write(old.map(({ id }) => settled(succeeded(id))))
  clock.at += 100 * DAY_MS
  const [fresh] = await store.write([accepted(arrival({ email: 'fresh@example.com' }))])
  assert.equal(await purgeStep({ ...context, before: clock.at - 90 * DAY_MS }), 200)
  const stopping = new AbortController()
  const errors: unknown[] = []
  let purged = 0
  await runRetention({
    context,
    days: 90,
    sessionMs: 8 * HOUR_MS,
    everyMs: 10,
    guard: (work) => work(),
    onPurged: (deliveries) => {
      purged = deliveries
      stopping.abort()
    },
    onError: (error) => {
      errors.push(error)
      stopping.abort()
    },
    signal: stopping.signal,
  })
  assert.deepEqual(errors, [])
  assert.equal(purged, 250)
  const kept = await db.selectFrom('deliveries').select('id').execute()
  assert.deepEqual(
    kept.map(({ id }) => id),
    [fresh?.id],
  )
  assert.equal((await rows('events')).length, 1)
})

test('a clock that is ahead at the start and set right within the hour deletes nothing', async (t) => {
  const { store, clock, rows, context } = await setUp(t)
  const [{ id } = { id: '' }] = await store.write([accepted(arrival())])
  await store.write([settled(succeeded(id))])
  const stopping = new AbortController()
  clock.at += 400 * DAY_MS
  let uses = 0
  const running = runRetention({
    context,
    days: 90,
    sessionMs: 8 * HOUR_MS,
    everyMs: 10,
    guard: (work) => {
      if (++uses === 20) stopping.abort() // some rounds
      return work()
    },
    onPurged: () => assert.fail('deleted'),
    onError: (error) => assert.fail(String(error)),
    signal: stopping.signal,
  })
  clock.at -= 400 * DAY_MS
  await running
  assert.equal((await rows('deliveries')).length, 1)
})

test('a session of the console that has ended is deleted even if nobody signs in again', async (t) => {
  const { db, clock, rows, context } = await setUp(t)
  const session = { username: 'alice', refresh_token: null, confirmed_at: START, renew_at: START }
  const [ended, open] = [START, START + 1].map((at) => ({ ...session, id: `begun ${at}`, started_at: at }))
  assert(ended && open)
  await db.insertInto('console_sessions').values([ended, open]).execute()
  clock.at += 8 * HOUR_MS
  const stopping = new AbortController()
  t.after(() => stopping.abort())
  const running = runRetention({
    context,
    days: 90,
    sessionMs: 8 * HOUR_MS,
    everyMs: 10,
    guard: (work) => work(),
    onPurged: () => {},
    onError: (error) => assert.fail(String(error)),
    signal: stopping.signal,
  })
  await until('the end', async () => (await rows('console_sessions')).length < 2 || undefined)
  stopping.abort()
  await running
  const left = await db.selectFrom('console_sessions').select('id').execute()
  assert.deepEqual(
    left.map(({ id }) => id),
    [open.id],
  )
})

test('audit entries and ended bulk replays are deleted at the age of deliveries', async (t) => {
  const { store, db, operations, clock, rows, context } = await setUp(t)
  const courseIds = ['course-v1:a+b+1', 'course-v1:a+b+2']
  const [one] = await store.write([accepted(arrival({ courseIds }))])
  const old = await operations.startReplay({ filter: {}, by: 'alice' })
  await operations.stopReplay({ id: old.id, by: 'alice' })
  const running = await operations.startReplay({ filter: {}, by: 'alice' })
  await operations.markHandled({ id: one?.id ?? '', as: 'settled', note: '', by: 'alice' })
  clock.at += DAY_MS
  const fresh = await operations.startReplay({ filter: {}, by: 'alice' })
  await operations.stopReplay({ id: fresh.id, by: 'alice' })
  assert.equal(await purgeAuditStep({ ...context, before: START }), 0)
  assert.equal(await purgeAuditStep({ ...context, before: START + 1 }), 4)
  assert.equal(await purgeStep({ ...context, before: START + 1 }), 1)
  assert.deepEqual(
    (await db.selectFrom('bulk_replays').select('id').execute()).map(({ id }) => id),
    [running.id, fresh.id],
  )
  const { items } = await operations.audit({})
  assert.deepEqual(
    items.map(({ at, kind }) => [at, kind]),
    [
      [clock.at, 'bulk_replay_stopped'],
      [clock.at, 'bulk_replay_started'],
    ],
  )
  assert.equal((await rows('events')).length, 2)
})

test('the webhook-id of a sale stays with its delivery, and that of a refund of nothing goes at the same age', async (t) => {
  const { store, db, context } = await setUp(t)
  await store.write([accepted({ ...arrival(), webhookId: 'sale_1' })])
  await db.transaction().execute(async (trx) => {
    await storeRefundId({ trx, at: START }, { webhookId: 'refund_1', email: 'bob@example.com' })
  })
  await purgeAuditStep({ ...context, before: START + 1 })
  const left = await db.selectFrom('webhook_ids').select('webhook_id').execute()
  assert.deepEqual(
    left.map((row) => row.webhook_id),
    ['sale_1'],
  )
})

test('an incident that has not ended is never deleted, however old it is', async (t) => {
  const { db, context } = await setUp(t)
  const begun = { kind: 'down', cause: 'no answer', started_at: START, seen_at: START } as const
  const open = { ...begun, id: 'open', open_kind: 'down', ended_at: null } as const
  const ended = { ...begun, id: 'ended', open_kind: null, ended_at: START } as const
  await db.insertInto('incidents').values([open, ended]).execute()
  await purgeAuditStep({ ...context, before: START + 1 })
  const left = await db.selectFrom('incidents').select('id').execute()
  assert.deepEqual(
    left.map((row) => row.id),
    ['open'],
  )
})

test('an event that the shop does not have is kept for a week, even if its delivery is deleted after a day', async (t) => {
  const { store, clock, rows, context } = await setUp(t, { hasOutbox: true })
  const [{ id } = { id: '' }] = await store.write([accepted(arrival())])
  await store.write([settled(succeeded(id))])
  clock.at += 2 * DAY_MS
  const stopping = new AbortController()
  await runRetention({
    context,
    days: 1,
    sessionMs: 8 * HOUR_MS,
    everyMs: 10,
    guard: (work) => work(),
    onPurged: () => stopping.abort(),
    onError: (error) => assert.fail(String(error)),
    signal: stopping.signal,
  })
  assert.deepEqual([(await rows('deliveries')).length, (await rows('outbox')).length], [0, 1])
})

test('what is known of the deliveries of a bulk replay is deleted at the age of the bulk replay', async (t) => {
  const { store, db, operations, context, clock, rows } = await setUp(t)
  await store.write(Array.from({ length: 250 }, (_, i) => accepted(arrival({ email: `p${i}@x.example` }))))
  clock.at += 1
  const { id } = await operations.startReplay({ filter: {}, by: 'alice' })
  await stepReplay(context, id)
  await stepReplay(context, id)
  assert.equal((await rows('replayed_deliveries')).length, 250)
  assert.equal(await purgeReplayedStep({ db, before: clock.at }), 0)
  assert.equal(await purgeReplayedStep({ db, before: clock.at + 1 }), 200)
  assert.equal(await purgeReplayedStep({ db, before: clock.at + 1 }), 50)
  assert.equal(await purgeReplayedStep({ db, before: clock.at + 1 }), 0)
  assert.deepEqual(await rows('replayed_deliveries'), [])
})
