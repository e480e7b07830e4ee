import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readReplay, selected } from '../../../src/operators/changes/bulk-replay.ts'
import { runBulkReplays, stepReplay } from '../../../src/operators/changes/bulk-steps.ts'
import type { DeliveryFilter } from '../../../src/operators/find/filter.ts'
import { makeDue } from '../../../src/queue/replay.ts'
import type { DeliveryState } from '../../../src/sale/types.ts'
import { refuseInserts } from '../../database/dialects.ts'
import { withdrawalsShown } from '../../lines.ts'
import {
  accepted,
  arrival,
  needsAttention,
  only,
  rejectedArrival,
  retry,
  START,
  settled,
  setUp,
  succeeded,
  timeline,
} from '../../queue/harness.ts'

const HOUR_MS = 3_600_000
const by = 'alice'
type Bench = Awaited<ReturnType<typeof setUp>>

/** Stores `count` deliveries that need attention, one second apart; the clock is an hour later afterwards. */
async function failed({ store, clock }: Bench, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let from = 0; from < count; from += 50) {
    const people = Array.from({ length: Math.min(50, count - from) }, (_, i) =>
      arrival({ email: `p${from + i}@x.example` }),
    )
    const written = await store.write(people.map(accepted))
    await store.write(written.map(({ id }) => settled(needsAttention(id))))
    ids.push(...written.map(({ id }) => id))
    clock.at += 1000
  }
  clock.at += HOUR_MS
  return ids
}

/** Runs the bulk replays on these replicas, until they have stored so many events. None may fail. */
async function runUntil({ replicas, events }: { replicas: readonly Bench[]; events: number }): Promise<void> {
  const stop = new AbortController()
  const errors: unknown[] = []
  let stored = 0
  const run = ({ context }: Bench): Promise<void> =>
    runBulkReplays({
      context: {
        ...context,
        publish: () => {
          stored++
          if (stored >= events) stop.abort()
        },
      },
      guard: (work) => work(),
      onError: (error) => {
        errors.push(error)
        stop.abort()
      },
      signal: stop.signal,
    })
  await Promise.all(replicas.map(run))
  assert.deepEqual(errors, [])
  assert.equal(stored, events)
}

async function states({ db }: Bench): Promise<Partial<Record<DeliveryState, number>>> {
  const counts: Partial<Record<DeliveryState, number>> = {}
  const rows = await db.selectFrom('deliveries').select('state').execute()
  for (const { state } of rows) counts[state] = (counts[state] ?? 0) + 1
  return counts
}

test('the preview counts the deliveries to replay, without those that succeeded or were handled', async (t) => {
  const bench = await setUp(t)
  const { store, operations } = bench
  const [a, b, c, d] = await store.write(
    ['a', 'b', 'c', 'd'].map((name) => accepted(arrival({ email: `${name}@x.example` }))),
  )
  assert(a && b && c && d)
  await store.write([settled(needsAttention(a.id)), settled(succeeded(b.id))])
  await operations.markHandled({ id: c.id, as: 'settled', note: '', by })
  const preview = await operations.previewReplay({ filter: {} })
  assert.equal(preview.count, 2)
  assert.deepEqual(new Set(preview.sample.map(({ id }) => id)), new Set([a.id, d.id]))
  assert.equal((await operations.previewReplay({ filter: {}, enrolled: true })).count, 3)
  assert.equal((await operations.previewReplay({ filter: { states: ['enrolled', 'needs_attention'] } })).count, 1)
  assert.equal((await operations.previewReplay({ filter: { states: ['enrolled'] }, enrolled: true })).count, 1)
  assert.equal((await operations.previewReplay({ filter: { states: ['handled'] } })).count, 1)
  assert.equal((await operations.previewReplay({ filter: { states: ['enrolled'] } })).count, 0)
})

test('a bulk replay makes matching deliveries due, 200 at a time, and each timeline names the operator', async (t) => {
  const bench = await setUp(t)
  const ids = await failed(bench, 450)
  const { id, ...order } = await bench.operations.startReplay({ filter: { states: ['needs_attention'] }, by })
  assert.deepEqual(order, {
    filter: { states: ['needs_attention'] },
    enrolled: false,
    corrects: null,
    by,
    startedAt: bench.clock.at,
    endedAt: null,
    state: 'running',
    replayed: 0,
    total: 450,
  })
  const dues: number[] = []
  for (;;) {
    bench.clock.at += 1000
    const before = bench.published.length
    if (!(await stepReplay(bench.context, id))) break
    dues.push(bench.published.length - before)
  }
  assert.deepEqual(dues, [200, 200, 50])
  assert.deepEqual(await states(bench), { queued: 450 })
  const done = await bench.operations.bulkReplay(id)
  assert.deepEqual([done?.state, done?.replayed, done?.endedAt], ['done', 450, bench.clock.at - 1000])
  for (const one of [ids[0] ?? '', ids.at(-1) ?? '']) {
    const event = (await bench.operations.timeline(one)).at(-1)
    assert.deepEqual([event?.kind, event?.actor, event?.detail], ['replayed', by, `bulk replay ${id}`])
  }
  assert.deepEqual(await bench.operations.runningReplays(), [])
})

test('a bulk replay includes only deliveries last active before its start, each once', async (t) => {
  const bench = await setUp(t)
  const [first = ''] = await failed(bench, 3)
  const { id } = await bench.operations.startReplay({ filter: {}, by })
  const late = only(await bench.store.write([accepted(arrival({ email: 'late@x.example' }))])).id
  await bench.store.write([settled(needsAttention(late))])
  await stepReplay(bench.context, id)
  assert.deepEqual(await states(bench), { queued: 3, needs_attention: 1 })
  await bench.store.write([settled({ ...needsAttention(first) })])
  assert.equal(await stepReplay(bench.context, id), false)
  assert.deepEqual((await timeline(bench, first)).filter((kind) => kind === 'replayed').length, 1)
})

test('a second click is the bulk replay of the first; what another operator orders, or the same one later, is not', async (t) => {
  const bench = await setUp(t)
  await failed(bench, 3)
  const { operations, clock } = bench
  const { id } = await operations.startReplay({ filter: {}, by })
  clock.at += 500
  assert.equal((await operations.startReplay({ filter: {}, by })).id, id)
  const others = [await operations.startReplay({ filter: {}, by: 'bob' })]
  others.push(await operations.startReplay({ filter: {}, enrolled: true, by }))
  clock.at += 10_000
  others.push(await operations.startReplay({ filter: {}, by }))
  assert.equal(new Set([id, ...others.map((other) => other.id)]).size, 4)
  assert.equal((await operations.audit({})).items.filter(({ kind }) => kind === 'bulk_replay_started').length, 4)
})

test('a delivery that succeeded since the search is left unchanged', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  const { states } = selected({ filter: {} })
  const makeFoundDue = () =>
    bench.db.transaction().execute((trx) => makeDue({ trx, at: bench.clock.at }, { ids: [id], states }))
  assert.deepEqual(await makeFoundDue(), { due: [], left: [], others: [] })
  assert.equal((await bench.row(id)).state, 'enrolled')
})

test('a stop ends a bulk replay after the current step; due deliveries stay due', async (t) => {
  const bench = await setUp(t)
  await failed(bench, 250)
  const { id } = await bench.operations.startReplay({ filter: {}, by })
  await stepReplay(bench.context, id)
  assert.deepEqual(await bench.operations.runningReplays(), [await bench.operations.bulkReplay(id)])
  bench.clock.at += 1000
  const stopped = await bench.operations.stopReplay({ id, by: 'bob' })
  assert.deepEqual([stopped?.state, stopped?.replayed, stopped?.endedAt], ['stopped', 200, bench.clock.at])
  assert.equal(await stepReplay(bench.context, id), false)
  assert.deepEqual(await states(bench), { queued: 200, needs_attention: 50 })
  assert.deepEqual(await bench.operations.stopReplay({ id, by: 'carol' }), stopped)
  assert.equal((await bench.operations.audit({})).items.length, 2)
  assert.equal(await bench.operations.stopReplay({ id: 'NONE', by }), null)
})

test('a stop counts even if the next step has already read its deliveries', async (t) => {
  const bench = await setUp(t)
  await failed(bench, 3)
  const { id } = await bench.operations.startReplay({ filter: {}, by })
  let looks = 0
  const db = bench.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      if (++looks === 2) await bench.operations.stopReplay({ id, by }) // first the order is read, then it searches
      return result
    },
  })
  assert.equal(await stepReplay({ ...bench.context, database: { ...bench.database, db } }, id), false)
  assert.deepEqual(await states(bench), { needs_attention: 3 })
})

test('a step that fails is repeated as a whole, and no delivery is lost or replayed twice', async (t) => {
  const bench = await setUp(t)
  await failed(bench, 250)
  const { id } = await bench.operations.startReplay({ filter: {}, by })
  await stepReplay(bench.context, id)
  await refuseInserts({ database: bench.database, table: 'events', when: "new.kind = 'replayed'" })
  const before = await readReplay(bench.db, id)
  await assert.rejects(stepReplay(bench.context, id), /no room/)
  assert.deepEqual(await readReplay(bench.db, id), before)
  assert.deepEqual(await states(bench), { queued: 200, needs_attention: 50 })
})

test('several replicas share a bulk replay, each delivery once, and it continues after a restart', async (t) => {
  const bench = await setUp(t)
  const ids = await failed(bench, 450)
  const { id } = await bench.operations.startReplay({ filter: {}, by })
  await stepReplay(bench.context, id) // the replica that made this step is gone
  await runUntil({ replicas: [bench, bench], events: 250 })
  for (const one of ids) {
    assert.deepEqual(await timeline(bench, one), ['received', 'needs_attention', 'replayed'])
  }
  const done = await bench.operations.bulkReplay(id)
  assert.deepEqual([done?.state, done?.replayed], ['done', 450])
})

test('a bulk replay whose filter a newer version has stored waits for that version, and holds up no other', async (t) => {
  const bench = await setUp(t)
  await failed(bench, 3)
  const newer = await bench.operations.startReplay({ filter: {}, by })
  const filter = JSON.stringify({ newer: true })
  await bench.db.updateTable('bulk_replays').set({ filter }).where('id', '=', newer.id).execute()
  const { id } = await bench.operations.startReplay({ filter: {}, by })
  assert.deepEqual(
    (await bench.operations.runningReplays()).map((one) => one.id),
    [id],
  )
  await runUntil({ replicas: [bench], events: 3 })
  const done = await bench.operations.bulkReplay(id)
  assert.deepEqual([done?.state, done?.replayed], ['done', 3])
  assert.equal(await bench.operations.bulkReplay(newer.id), null)
})

test('a bulk replay announces and replays only deliveries that were not rejected for their payload', async (t) => {
  const bench = await setUp(t)
  await bench.store.write([accepted(rejectedArrival())])
  const malformed = only(await bench.store.write([accepted(arrival({ email: 'm@x.example' }))])).id
  const reason = { code: 'course_key.malformed', subject: 'x' } as const
  const result = { ...needsAttention(malformed), outcome: { courses: {}, reason } } as const
  await bench.store.write([settled(result)])
  const { id: waits } = only(await bench.store.write([accepted(arrival({ email: 'w@x.example' }))]))
  await bench.store.write([settled(retry(waits, START + HOUR_MS))])
  bench.clock.at += 1000
  const { count, left, sample } = await bench.operations.previewReplay({ filter: {} })
  assert.deepEqual([count, left, sample.map(({ id }) => id)], [1, 2, [waits]])
  const rejected = await bench.operations.previewReplay({ filter: { states: ['rejected'] } })
  assert.deepEqual([rejected.count, rejected.left], [0, 2])
  const { id, total } = await bench.operations.startReplay({ filter: {}, by })
  assert.equal(total, 1)
  const before = bench.published.length
  assert.equal(await stepReplay(bench.context, id), true)
  assert.equal(bench.published.length - before, 1)
  assert.equal((await bench.operations.bulkReplay(id))?.state, 'done')
  assert.deepEqual(await states(bench), { rejected: 2, queued: 1 })
  assert.equal((await bench.row(waits)).due_at, bench.clock.at)
})

test('a bulk replay knows what came of each delivery, also of those that change later', async (t) => {
  const bench = await setUp(t)
  const { operations, store, context } = bench
  const [a = '', b = '', c = '', d = ''] = await failed(bench, 4)
  await operations.markHandled({ id: d, as: 'settled', note: '', by })
  bench.clock.at += HOUR_MS
  const { id } = await operations.startReplay({ filter: {}, by })
  const results = async () => {
    const states = await operations.replayResults(id)
    return Object.fromEntries(Object.entries(states).filter(([, count]) => count > 0))
  }
  assert.deepEqual(await results(), {})
  await stepReplay(context, id)
  assert.deepEqual(await results(), { queued: 3 })
  await store.write([settled(succeeded(a, 'enrolled', 1)), settled({ ...needsAttention(b), generation: 1 })])
  assert.deepEqual(await results(), { queued: 1, enrolled: 1, needs_attention: 1 })
  await operations.markHandled({ id: c, as: 'settled', note: '', by })
  assert.deepEqual(await results(), { enrolled: 1, needs_attention: 1, handled: 1 })
  const ofReplay = async (filter: DeliveryFilter) => (await operations.list({ filter })).items.map((one) => one.id)
  assert.deepEqual(new Set(await ofReplay({ replay: id })), new Set([a, b, c]))
  assert.deepEqual(await ofReplay({ replay: id, states: ['needs_attention'] }), [b])
  assert.deepEqual(await ofReplay({ replay: id, find: 'p0@' }), [a])
  assert.deepEqual(await ofReplay({ replay: 'X' }), [])
  const further = await operations.startReplay({ filter: { replay: id, states: ['needs_attention'] }, by })
  assert.equal(further.total, 1)
})

test('a bulk replay gives back no course that a withdrawal names, but of what is withdrawn as a whole, if it is named', async (t) => {
  const bench = await setUp(t)
  const [A, B] = ['course-v1:x+A+1', 'course-v1:x+B+1'] as const
  const sales = ['all', 'part', 'done', 'gone'].map((name) =>
    arrival({ email: `${name}@x.example`, courseIds: [A, B] }),
  )
  const ids = (await bench.store.write(sales.map(accepted))).map(({ id }) => id)
  const [all = '', part = '', done = '', gone = ''] = ids
  const isOut = { state: 'withdrawn', due_at: null } as const
  await bench.store.write([all, part, done].map((id) => settled(needsAttention(id))))
  await bench.db.updateTable('deliveries').set(isOut).where('id', '=', gone).execute()
  await bench.db.updateTable('deliveries').set({ may_have_effect: 1 }).execute()
  await bench.db.updateTable('deliveries').set({ state: 'enrolled' }).where('id', '=', done).execute()
  const ordered = { paid: false, by: 'bob' }
  await bench.operations.withdraw({ id: all, courses: null, ...ordered })
  for (const id of [part, done]) await bench.operations.withdraw({ id, courses: [A], ...ordered })
  bench.clock.at += HOUR_MS
  const states = ['needs_attention', 'enrolled', 'withdrawn'] as const
  const { id } = await bench.operations.startReplay({ filter: { states: [...states] }, enrolled: true, by })
  await stepReplay(bench.context, id)
  const deliveries = await bench.store.readClaimed(ids)
  const attempted = deliveries.map((one) => [one.id, one.request?.courseIds])
  assert.deepEqual(attempted, [part, done].map((one): unknown => [one, [B]]).concat([[gone, [A, B]]]))
  const open = await Promise.all(ids.map((one) => withdrawalsShown(bench.operations, one)))
  assert.deepEqual(
    open.map((orders) => orders.some(({ endedAt }) => endedAt === null)),
    [true, true, true, false],
  )
})

test('a bulk replay counts, shows and starts nothing that a correction replaces, because that is the sale; a replay of it alone does', async (t) => {
  const bench = await setUp(t)
  const { operations, store, row } = bench
  const emails = ['typo@x.example', 'wrong@x.example', 'helped@x.example']
  const ids = (await store.write(emails.map((email) => accepted(arrival({ email }))))).map(({ id }) => id)
  const [typo = '', wrong = '', helped = ''] = ids
  await store.write(ids.map((id) => settled(succeeded(id))))
  for (const id of [typo, wrong]) {
    const right = `right-${id}@x.example`
    assert.equal((await operations.correct({ id, email: right, withdraw: null, by })).kind, 'corrected')
  }
  await bench.db.updateTable('deliveries').set({ state: 'withdrawn' }).where('id', '=', wrong).execute()
  await operations.markHandled({ id: helped, as: 'settled', note: '', by })
  bench.clock.at += HOUR_MS
  const filter: DeliveryFilter = { states: ['handled', 'withdrawn'] }
  const { count, left, sample } = await operations.previewReplay({ filter })
  assert.deepEqual([count, left, sample.map((one) => one.id)], [1, 0, [helped]])
  const { id, total } = await operations.startReplay({ filter, by })
  assert.equal(total, 1)
  await stepReplay(bench.context, id)
  const statesOf = () => Promise.all(ids.map(async (one) => (await row(one)).state))
  assert.deepEqual(await statesOf(), ['handled', 'withdrawn', 'queued'])
  await operations.replay({ ids: [typo], by })
  assert.deepEqual(await statesOf(), ['queued', 'withdrawn', 'queued'])
})
