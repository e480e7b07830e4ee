import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { lockDelivery } from '../../src/queue/change-deliveries.ts'
import { stateAfter, type VerifiedWebhook } from '../../src/sale/types.ts'
import { refuseInserts } from '../database/dialects.ts'
import { factsIn } from '../lines.ts'
import { until } from '../service/process.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  only,
  onSqlite,
  rejectedArrival,
  retry,
  START,
  settled,
  setUp,
  succeeded,
  timeline,
} from './harness.ts'

test('a new delivery is stored complete: queued and due at once', async (t) => {
  const { store, row, db } = await setUp(t)
  const webhook = arrival({ email: 'Ada@Example.com' })
  const { id, progress } = only(await store.write([accepted(webhook)]))
  assert.deepEqual(progress, { state: 'queued', dueAt: START, reason: null, generation: 0 })
  const { body, request, ...rest } = await row(id)
  assert.deepEqual(rest, {
    id,
    digest: webhook.digest,
    state: 'queued',
    due_at: START,
    attempts: 0,
    received_at: START,
    settled_at: null,
    active_at: START,
    email: 'ada@example.com',
    form: 'original',
    username: 'ada',
    course: COURSE,
    course_count: 1,
    done_at: null,
    replayed_at: null,
    handled_as: null,
    generation: 0,
    effect_unknown: 0,
    reads_first: 0,
    may_have_effect: 0,
    ended_at: null,
    source: 'shop',
    replaces: null,
    replaced_by: null,
    webhook_id: null,
    reason: null,
    reason_text: null,
    reason_course: null,
    subject: null,
    last_event: 1,
    search_text: `\nada@example.com\nada lovelace\nada\n${COURSE.toLowerCase()}\nlovelace\n1\n`,
  })
  const line = await db.selectFrom('delivery_lines').selectAll().executeTakeFirstOrThrow()
  const { delivery_id, position, sent, course_key, ...unknown } = line
  assert.deepEqual([delivery_id, position, sent, course_key], [id, 0, COURSE, COURSE])
  assert.ok(
    Object.values(unknown).every((value) => value === null),
    'nothing is known of the course',
  )
  assert.deepEqual(Buffer.from(body), webhook.body)
  assert.deepEqual(only(await store.readClaimed([id])).request, webhook.request)
})

test('a repeat of a queued delivery restarts it on its row, for the replica that received it: due now, no attempts, no results', async (t) => {
  const { store, row, replica, clock, ...bench } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  const half = { ...retry(id, START + 3_600_000, 6), outcome: succeeded(id).outcome }
  await store.write([settled(half)])
  clock.at += 1000
  const other = await replica('replica-2')
  const again = only(await other.store.write([accepted(arrival())]))
  assert.deepEqual([again.id, again.progress.dueAt], [id, START + 1000])
  const { due_at, attempts, received_at, active_at } = await row(id)
  assert.deepEqual([due_at, attempts], [START + 1000, 0])
  assert.deepEqual([received_at, active_at], [START, START + 1000])
  assert.deepEqual((await factsIn(bench.db, id)).courses, {}, 'a result from before the repeat may be wrong now')
  assert.deepEqual(await timeline(bench, id), ['received', 'retry_scheduled', 'repeated'])
})

for (const end of [succeeded, needsAttention]) {
  const state = stateAfter(end(''))
  test(`a repeat of a delivery in state ${state} requeues its row, for the replica that received the repeat`, async (t) => {
    const { store, row, rows, replica, clock, ...bench } = await setUp(t)
    const { id } = only(await store.write([accepted(arrival())]))
    await store.write([settled({ ...end(id), attempts: 3 })])
    assert.equal((await row(id)).state, state)
    clock.at += 1000
    const other = await replica('replica-2')
    const again = only(await other.store.write([accepted(arrival())]))
    assert.deepEqual(
      [again.id, again.progress],
      [id, { state: 'queued', dueAt: clock.at, reason: null, generation: 1 }],
    )
    const { state: now, due_at, attempts, settled_at, active_at, received_at, reason } = await row(id)
    assert.deepEqual([now, due_at, attempts], ['queued', clock.at, 0])
    assert.deepEqual([settled_at, reason, received_at, active_at], [null, null, START, clock.at])
    assert.equal((await rows('deliveries')).length, 1)
    assert.deepEqual(await timeline(bench, id), ['received', state, 'repeated'])
  })
}

test('a rejected webhook is stored with its reason, settled, and never claimed', async (t) => {
  const { store, row, ...bench } = await setUp(t)
  const webhook = rejectedArrival()
  const { id, progress, events } = only(await store.write([accepted(webhook)]))
  assert.deepEqual(progress, {
    state: 'rejected',
    dueAt: null,
    reason: webhook.reason,
    generation: 0,
  })
  assert.deepEqual(
    events.map(({ kind, detail }) => [kind, detail]),
    [
      ['received', 'signed over: original'],
      ['rejected', 'the shop sent invalid fields: email: Required'],
    ],
  )
  const { state, due_at, settled_at, email, request } = await row(id)
  assert.deepEqual([state, due_at, settled_at, email, request], ['rejected', null, START, null, null])
  assert.deepEqual(await timeline(bench, id), ['received', 'rejected'])
  assert.deepEqual(await store.due({ limit: 10, after: null }), [])
  await store.write([accepted(webhook)])
  assert.deepEqual(await timeline(bench, id), ['received', 'rejected', 'repeated', 'rejected'])
  assert.deepEqual(await store.due({ limit: 10, after: null }), [])
})

test('the same webhook twice in one group is one row with the events received and repeated', async (t) => {
  const { store, rows, ...bench } = await setUp(t)
  const [one, other, two] = await store.write([
    accepted(arrival()),
    accepted(arrival({ email: 'bob@example.com' })),
    accepted(arrival()),
  ])
  assert(one && other && two)
  assert.equal(one.id, two.id)
  assert.notEqual(one.id, other.id)
  assert.deepEqual(
    [one, other, two].map(({ events }) => only(events).kind),
    ['received', 'received', 'repeated'],
  )
  assert.equal((await rows('deliveries')).length, 2)
  assert.deepEqual(await timeline(bench, one.id), ['received', 'repeated'])
})

test('a failed insert of events leaves nothing in any table, and publishes nothing', async (t) => {
  const { inbox, database, rows, published } = await setUp(t)
  await refuseInserts({ database, table: 'events' })
  await assert.rejects(inbox.submit(arrival(), null), { code: 'database.unreachable' })
  for (const one of ['deliveries', 'events'] as const) assert.deepEqual(await rows(one), [])
  assert.deepEqual(published, [])
})

test('the body is kept byte for byte', async (t) => {
  const { store, row } = await setUp(t)
  const bytes = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 7 + (i >> 8)) & 0xff))
  const bodies = [Buffer.alloc(0), Buffer.from('\u0000{"a": 1}\r\n\u0000'), Buffer.from([0xff, 0xfe, 0x80]), bytes]
  const arrivals = bodies.map((body, i): VerifiedWebhook => ({ ...arrival({ order: i }), body }))
  const stored = await store.write(arrivals.map(accepted))
  for (const [i, { id }] of stored.entries()) assert.deepEqual(Buffer.from((await row(id)).body), bodies[i])
})

test('an address that grows when it is lower-cased is cut to the width of its column', async (t) => {
  const { store, row } = await setUp(t)
  const email = `${'İ'.repeat(200)}@example.com`
  const { id } = only(await store.write([accepted(arrival({ email }))]))
  assert.equal((await row(id)).email, email.toLowerCase().slice(0, 254))
  assert.equal(only(await store.readClaimed([id])).request?.email, email)
})

test('200 webhooks of the largest size at once are stored, with all their events', async (t) => {
  const { inbox, rows } = await setUp(t)
  const body = Buffer.alloc(65_536, 'x')
  const reason = { code: 'payload.invalid', subject: JSON.stringify('é'.repeat(100_000)) } as const
  const arrivals = Array.from({ length: 200 }, (_, i): VerifiedWebhook => {
    const one = { ...arrival({ order: i }), body }
    return i % 2 === 0 ? one : { ...one, request: null, reason }
  })
  const stored = await Promise.all(arrivals.map((one) => inbox.submit(one, null)))
  assert.equal(new Set(stored.map(({ id }) => id)).size, 200)
  assert.equal((await rows('events')).length, 300)
})

test('a repeat starts the last correction of its sale, or the sale itself once an operator has replayed it', async (t) => {
  const { store, operations } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  const corrected = async (wrong: string, email: string): Promise<string> => {
    const made = await operations.correct({ id: wrong, email, withdraw: null, by: 'alice' })
    return 'id' in made ? made.id : ''
  }
  const last = await corrected(await corrected(id, 'adb@example.com'), 'adc@example.com')
  const repeated = async () => only(await store.write([accepted(arrival())])).id
  assert.equal(await repeated(), last)
  await operations.replay({ ids: [id], by: 'alice' })
  assert.equal(await repeated(), id)
})

// SQLite writes one transaction after the other.
if (!onSqlite()) {
  test('a repeat of a sale whose correction is corrected meanwhile starts the newest correction', async (t) => {
    const bench = await setUp(t)
    const { store, operations, db } = bench
    const sale = arrival()
    const [{ id }, newest] = [
      only(await store.write([accepted(sale)])),
      only(await store.write([accepted(arrival({ email: 'newest@x.example' }))])),
    ]
    const corrected = await operations.correct({ id, email: 'wrong@x.example', withdraw: null, by: 'alice' })
    assert.ok(corrected.kind === 'corrected')
    const [locked, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const correction = db.transaction().execute(async (trx) => {
      await lockDelivery({ trx }, corrected.id)
      locked.resolve()
      await waiting.promise
      const replaced = { state: 'handled', replaced_by: newest.id } as const
      await trx.updateTable('deliveries').set(replaced).where('id', '=', corrected.id).execute()
    })
    await locked.promise
    const repeated = store.write([accepted(sale)])
    const waits = sql`select info from information_schema.processlist where info like ${'update `deliveries`%'}`
    await until('the repeat waits', async () => (await waits.execute(db)).rows.length > 0 || undefined)
    waiting.resolve()
    await correction
    assert.equal(only(await repeated).id, newest.id)
    assert.equal((await bench.row(corrected.id)).state, 'handled')
  })
}
