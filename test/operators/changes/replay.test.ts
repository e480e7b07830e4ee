import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replay } from '../../../src/queue/replay.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import { isWithdrawing } from '../../../src/sale/line.ts'
import { refuseInserts } from '../../database/dialects.ts'
import { factsIn, linesIn } from '../../lines.ts'
import { claimNow, submit } from '../../queue/claiming.ts'
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
} from '../../queue/harness.ts'

const HOUR_MS = 3_600_000
const running = new AbortController().signal
const by = 'alice'

test('a settled delivery that is replayed starts again, and can be claimed at once', async (t) => {
  const bench = await setUp(t)
  const { operations, inbox, clock, row } = bench
  const id = await submit(bench, 'ada@x.example')
  await claimNow(bench)
  await inbox.settle([{ ...needsAttention(id), attempts: 13 }])
  clock.at += HOUR_MS
  assert.deepEqual(await operations.replay({ ids: [id], by }), { due: [id], left: [] })
  const { state, due_at, attempts, settled_at, reason, active_at, replayed_at, received_at } = await row(id)
  assert.deepEqual([state, due_at, attempts, settled_at, reason], ['queued', clock.at, 0, null, null])
  assert.deepEqual([received_at, active_at, replayed_at], [START, clock.at, clock.at])
  const taken = only(await inbox.claim(10, running))
  assert.deepEqual([taken.id, taken.replayedAt], [id, clock.at])
  assert.deepEqual(await timeline(bench, id), ['received', 'needs_attention', 'replayed'])
})

test('a replay makes a waiting delivery due now, and keeps its attempts and results', async (t) => {
  const { store, operations, row, ...bench } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  const half = { ...retry(id, START + HOUR_MS, 6), outcome: succeeded(id).outcome }
  await store.write([settled(half)])
  await operations.replay({ ids: [id], by })
  const { due_at, attempts, replayed_at } = await row(id)
  assert.deepEqual([due_at, attempts, replayed_at], [START, 6, START])
  assert.deepEqual((await factsIn(bench.db, id)).courses, half.outcome.courses)
  assert.deepEqual(await timeline(bench, id), ['received', 'retry_scheduled', 'replayed'])
})

test('a replay keeps the place of a delivery that is already due', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  bench.clock.at += HOUR_MS
  await bench.operations.replay({ ids: [id], by })
  assert.equal((await bench.row(id)).due_at, START)
})

test('a replay does not let a delivery in an attempt be claimed twice, and the result of the attempt counts', async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'ada@x.example')
  assert.deepEqual(await claimNow(bench), [id])
  await bench.operations.replay({ ids: [id], by })
  assert.deepEqual(await claimNow(bench), [])
  await bench.inbox.settle([succeeded(id)])
  assert.equal((await bench.row(id)).state, 'enrolled')
  assert.deepEqual(await timeline(bench, id), ['received', 'replayed', 'enrolled'])
})

test('a delivery that was rejected for its payload stays rejected, and an unknown id is reported', async (t) => {
  const { store, operations, row, ...bench } = await setUp(t)
  const wrong = only(await store.write([accepted(rejectedArrival())])).id
  const malformed = only(await store.write([accepted(arrival({ email: 'other@x.example' }))])).id
  const reason = { code: 'course_key.malformed', subject: 'x' } as const
  await store.write([settled({ ...needsAttention(malformed), outcome: { courses: {}, reason } })])
  const result = await operations.replay({ ids: [wrong, 'NONE', malformed, malformed], by })
  assert.deepEqual(result, {
    due: [malformed],
    left: [
      { id: 'NONE', why: 'unknown' },
      { id: wrong, why: 'payload.invalid' },
    ],
  })
  assert.equal((await row(wrong)).state, 'rejected')
  assert.deepEqual(await timeline(bench, wrong), ['received', 'rejected'])
})

test('a replay that leaves what a person has ended looks at the state when it starts the others', async (t) => {
  const { store, operations, row } = await setUp(t)
  const ids: string[] = []
  for (const email of ['handled@x.example', 'open@x.example']) {
    const { id } = only(await store.write([accepted(arrival({ email }))]))
    await store.write([settled(needsAttention(id))])
    ids.push(id)
  }
  const [handled = '', open = ''] = ids
  await operations.markHandled({ id: handled, as: 'paid_back', note: 'refunded by hand', by })
  const result = await operations.replay({ ids, leavesEnded: true, by })
  assert.deepEqual(result, { due: [open], left: [{ id: handled, why: 'ended' }] })
  assert.deepEqual([(await row(handled)).state, (await row(open)).state], ['handled', 'queued'])
  assert.deepEqual((await operations.replay({ ids: [handled], by })).due, [handled])
})

test('a replay that leaves what a person has ended gives back no course that a withdrawal names, and ends none', async (t) => {
  const { store, operations, context } = await setUp(t)
  const email = 'ada@x.example'
  const sale = accepted(arrival({ email, courseIds: [COURSE, 'course-v1:x+B+1'] }))
  const { id: bundle } = only(await store.write([sale]))
  const { id: single } = only(await store.write([accepted(arrival({ email }))]))
  await store.write([bundle, single].map((id) => settled(succeeded(id))))
  await storeRefund(context, { request: { email, courseIds: [COURSE] }, digest: 'r' })
  const result = await operations.replay({ ids: [bundle, single], leavesEnded: true, by })
  assert.deepEqual(result, { due: [bundle], left: [{ id: single, why: 'ended' }] })
  assert.deepEqual((await store.readClaimed([bundle]))[0]?.request?.courseIds, ['course-v1:x+B+1'])
  for (const id of [bundle, single]) assert.ok((await linesIn(context.database.db, id)).some(isWithdrawing), id)
  assert.deepEqual((await operations.replay({ ids: [single], by })).due, [single])
})

test('a change and its events are stored together, or not at all', async (t) => {
  const { store, operations, database, row, published, ...bench } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  await store.write([settled(needsAttention(id))])
  const before = await row(id)
  await refuseInserts({ database, table: 'events' })
  await assert.rejects(operations.replay({ ids: [id], by }), /no room/)
  await assert.rejects(operations.markHandled({ id, as: 'settled', note: '', by }), /no room/)
  await assert.rejects(operations.startReplay({ filter: {}, by }), /no room/)
  assert.deepEqual(await row(id), before)
  assert.deepEqual(await bench.rows('bulk_replays'), [])
  assert.deepEqual(await timeline(bench, id), ['received', 'needs_attention'])
  assert.deepEqual(published, [])
})

test('a handled delivery is not attempted again, and its timeline shows who handled it and how', async (t) => {
  const bench = await setUp(t)
  const { store, operations, clock, row } = bench
  const { id } = only(await store.write([accepted(arrival())]))
  await store.write([settled(retry(id, START + HOUR_MS))])
  assert.deepEqual(await operations.markHandled({ id, as: 'settled', note: 'enrolled by hand', by }), {
    kind: 'handled',
  })
  clock.at += 2 * HOUR_MS
  assert.deepEqual(await claimNow(bench), [])
  const { state, due_at, settled_at } = await row(id)
  assert.deepEqual([state, due_at, settled_at], ['handled', null, START])
  const { kind, detail, actor } = (await operations.timeline(id)).at(-1) ?? {}
  assert.deepEqual([kind, detail, actor], ['settled', 'enrolled by hand', by])
  assert.deepEqual(await operations.markHandled({ id, as: 'settled', note: 'again', by }), { kind: 'already' })
  assert.deepEqual(await operations.markHandled({ id: 'NONE', as: 'settled', note: '', by }), { kind: 'unknown' })
})

test('a delivery of any state can be marked as handled', async (t) => {
  const { store, operations, row } = await setUp(t)
  for (const [place, end] of [succeeded, needsAttention].entries()) {
    const { id } = only(await store.write([accepted(arrival({ email: `${place}@example.com` }))]))
    await store.write([settled(end(id))])
    assert.deepEqual(await operations.markHandled({ id, as: 'settled', note: '', by }), { kind: 'handled' })
    assert.equal((await row(id)).state, 'handled')
  }
})

test('a result that arrives after an operator handled the delivery changes nothing', async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'ada@x.example')
  await claimNow(bench)
  await bench.operations.markHandled({ id, as: 'settled', note: '', by })
  assert.deepEqual(await bench.inbox.mayContinue([id]), new Set())
  await bench.inbox.settle([retry(id, START + HOUR_MS)])
  assert.equal((await bench.row(id)).state, 'handled')
  assert.deepEqual(await timeline(bench, id), ['received', 'settled'])
  const next = await submit(bench, 'ada@x.example', 2)
  assert.deepEqual(await claimNow(bench), [next]) // the person is free again
})

test('a repeat or a replay starts a handled delivery again', async (t) => {
  const { store, operations, row } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  await operations.markHandled({ id, as: 'settled', note: '', by })
  await store.write([accepted(arrival())])
  assert.equal((await row(id)).state, 'queued')
  await operations.markHandled({ id, as: 'settled', note: '', by })
  assert.deepEqual((await operations.replay({ ids: [id], by })).due, [id])
  assert.equal((await row(id)).state, 'queued')
})

test('replays of a delivery at the same time give one result, and an event for each replay', async (t) => {
  const bench = await setUp(t)
  const emails = Array.from({ length: 20 }, (_, i) => `p${i}@x.example`)
  const ids = (await bench.store.write(emails.map((email) => accepted(arrival({ email }))))).map(({ id }) => id)
  await bench.store.write(ids.map((id) => settled(needsAttention(id))))
  // In one process, two connections to a SQLite file block each other.
  const other = onSqlite() ? bench : await bench.replica('replica-2')
  await Promise.all([
    bench.operations.replay({ ids, by: 'alice' }),
    other.operations.replay({ ids: ids.toReversed(), by: 'bob' }),
    bench.store.write(emails.map((email) => accepted(arrival({ email })))),
  ])
  for (const id of ids) {
    assert.equal((await bench.row(id)).state, 'queued')
    const kinds = await timeline(bench, id)
    assert.deepEqual(kinds.toSorted(), ['needs_attention', 'received', 'repeated', 'replayed', 'replayed'])
  }
})

// On SQLite, no one else writes between the statements of a transaction; database.test.ts covers that.
if (!onSqlite()) {
  test('a delivery whose attempt ends during its replay is settled after the replay', async (t) => {
    const bench = await setUp(t)
    const other = await bench.replica('replica-2')
    const { id } = only(await other.store.write([accepted(arrival())]))
    let settling: Promise<unknown> | null = null
    const db = bench.db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        settling ??= other.store.write([settled(succeeded(id))])
        return result
      },
    })
    const result = await replay({ ...bench.context, database: { ...bench.database, db } }, { ids: [id], by })
    assert.deepEqual(result.due, [id])
    await settling
    assert.equal((await bench.row(id)).state, 'enrolled')
    const kinds = await timeline(bench, id) // two replicas' ids of one moment come in no order
    assert.deepEqual(kinds.toSorted(), ['enrolled', 'received', 'replayed'])
  })
}
