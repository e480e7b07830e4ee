import assert from 'node:assert/strict'
import { test } from 'node:test'
import { list } from '../../../src/operators/find/listing.ts'
import {
  createIncidentWatch,
  endIncident,
  endSilent,
  incidentsBetween,
  listIncidents,
  reportIncident,
  type Seen,
} from '../../../src/operators/incidents/incidents.ts'
import { purgeAuditStep } from '../../../src/queue/retention.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  only,
  onSqlite,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

const MINUTE_MS = 60_000
const DOWN: Seen = { kind: 'down', cause: 'no answer', since: START }

test('what several replicas report at once is one incident, from the first one that saw it', async (t) => {
  const { db, context, clock, replica } = await setUp(t)
  const other = await replica('replica-2')
  clock.at += 1000
  const reports = [
    () => reportIncident(context, { ...DOWN, since: START + 500 }),
    () => reportIncident(other.context, DOWN),
    () => reportIncident(context, { ...DOWN, kind: 'throttled', cause: 'x'.repeat(400) }),
  ]
  // Two connections to SQLite in one process block each other.
  if (onSqlite()) for (const report of reports) await report()
  else await Promise.all(reports.map((report) => report()))
  const { items } = await listIncidents(db, { now: clock.at })
  assert.deepEqual(items.map(({ kind, from, to }) => [kind, from, to]).sort(), [
    ['down', START, null],
    ['throttled', START, null],
  ])
  assert.equal(items.find(({ kind }) => kind === 'throttled')?.cause.length, 300)
})

test('an incident that one replica ends and another still sees, or that returns within a minute, is one', async (t) => {
  const { db, context, clock } = await setUp(t)
  await reportIncident(context, DOWN)
  clock.at += 30_000
  await endIncident(context, { kind: 'down', at: clock.at })
  await reportIncident(context, DOWN)
  const one = only((await listIncidents(db, { now: clock.at })).items)
  assert.deepEqual([one.from, one.to], [START, null])
  await endIncident(context, { kind: 'down', at: clock.at })
  clock.at += MINUTE_MS + 1
  await reportIncident(context, { ...DOWN, since: clock.at })
  const [second, first] = (await listIncidents(db, { now: clock.at })).items
  assert.deepEqual([first?.to, second?.from, second?.to], [START + 30_000, clock.at, null])
})

test('the cause of an incident is that of its last report: what is left to do after an operator removed the first', async (t) => {
  const { db, context, clock } = await setUp(t)
  const causes = async () => (await listIncidents(db, { now: clock.at })).items.map(({ cause }) => cause)
  await reportIncident(context, { ...DOWN, cause: 'wrong secret' })
  await reportIncident(context, { ...DOWN, cause: 'not staff' })
  assert.deepEqual(await causes(), ['not staff'])
  await endIncident(context, { kind: 'down', at: clock.at })
  await reportIncident(context, { ...DOWN, cause: 'moved' })
  assert.deepEqual(await causes(), ['moved'])
})

test('a replica that was started meanwhile learns since when the LMS has been down, until it is over', async (t) => {
  const { context, clock } = await setUp(t)
  await reportIncident(context, DOWN)
  clock.at += 30_000
  const sees: { lms: Seen | null } = { lms: { ...DOWN, since: clock.at } }
  const incident = createIncidentWatch({ context, lms: () => sees.lms, database: () => null })
  const { look } = incident
  assert.equal(incident.since({ kind: 'down', since: clock.at }), clock.at)
  await look()?.()
  assert.equal(incident.since({ kind: 'down', since: clock.at }), START)
  assert.equal(incident.since({ kind: 'throttled', since: clock.at }), clock.at)
  sees.lms = null
  await look()?.()
  assert.equal(incident.since({ kind: 'down', since: clock.at }), clock.at)
})

test('an incident that no replica reports any more ended at its last report', async (t) => {
  const { db, context, clock } = await setUp(t)
  await reportIncident(context, DOWN)
  clock.at += MINUTE_MS
  await endSilent(context)
  assert.equal(only((await listIncidents(db, { now: clock.at })).items).to, null)
  clock.at += 1
  await endSilent(context)
  assert.equal(only((await listIncidents(db, { now: clock.at })).items).to, START)
})

test('an incident has the sales that were received meanwhile, and when the last of them was enrolled', async (t) => {
  const { db, store, context, clock } = await setUp(t)
  const sell = async (n: number) => only(await store.write([accepted(arrival({ email: `p${n}@x.example` }))])).id
  await store.write([settled(succeeded(await sell(1)))])
  clock.at += 1000
  await reportIncident(context, { ...DOWN, since: clock.at })
  const [a, b] = [await sell(2), await sell(3)]
  await sell(4)
  clock.at += 1000
  await endIncident(context, { kind: 'down', at: clock.at })
  clock.at += 1000
  await sell(5)
  await store.write([settled(succeeded(a))])
  clock.at += 1000
  await store.write([settled(succeeded(b))])
  const one = only((await listIncidents(db, { now: clock.at })).items)
  assert.deepEqual([one.sales, one.counts.enrolled, one.counts.queued, one.lastEnrolledAt], [3, 2, 1, clock.at])
  const waited = { from: one.from, to: one.to ?? clock.at }
  const listed = (await list(db, { filter: { waited } })).items.map(({ email }) => email)
  assert.deepEqual(listed.toSorted(), ['p2@x.example', 'p3@x.example', 'p4@x.example'], 'exactly these are listed')
})

test('a sale that had its result before an incident did not wait, whatever came of it later', async (t) => {
  const { db, store, context, operations, clock } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  await store.write([settled(succeeded(id))])
  clock.at += 1000
  await reportIncident(context, { ...DOWN, since: clock.at })
  clock.at += 1000
  await operations.markHandled({ id, as: 'settled', note: 'by hand', by: 'alice' })
  await endIncident(context, { kind: 'down', at: clock.at })
  assert.equal(only((await listIncidents(db, { now: clock.at })).items).sales, 0)
})

test('a sale that waited and was corrected since is one sale, and a test is none', async (t) => {
  const { db, store, context, operations, clock } = await setUp(t)
  await reportIncident(context, { ...DOWN, since: clock.at })
  const { id } = only(await store.write([accepted(arrival())]))
  await operations.testSale({ email: 't@x.example', courseIds: [COURSE], nonce: '1', by: 'alice' })
  clock.at += 1000
  await endIncident(context, { kind: 'down', at: clock.at })
  await store.write([settled(needsAttention(id))])
  const corrected = await operations.correct({ id, email: 'right@x.example', withdraw: null, by: 'alice' })
  assert(corrected.kind === 'corrected')
  await store.write([settled(succeeded(corrected.id))])
  const one = only((await listIncidents(db, { now: clock.at })).items)
  assert.deepEqual([one.sales, one.counts.enrolled], [1, 1])
  const listed = (await list(db, { filter: { waited: { from: one.from, to: clock.at } } })).items
  assert.deepEqual(
    listed.map((item) => item.id),
    [corrected.id],
  )
})

test('the bands of a chart are the incidents that overlap it', async (t) => {
  const { db, context, clock } = await setUp(t)
  for (let n = 0; n < 25; n++) {
    await reportIncident(context, { ...DOWN, since: clock.at })
    clock.at += 1000
    await endIncident(context, { kind: 'down', at: clock.at })
    clock.at += 2 * MINUTE_MS
  }
  const all = (await incidentsBetween(db, { from: 0, to: clock.at })).map(({ from }) => from)
  assert.deepEqual([all.length, all[0]], [25, START])
  const [one] = all
  assert.deepEqual(await incidentsBetween(db, { from: START + 1000, to: all[1] ?? 0 }), [])
  assert.equal(only(await incidentsBetween(db, { from: START + 500, to: all[1] ?? 0 })).from, one)
  const first = await listIncidents(db, { now: clock.at })
  const second = await listIncidents(db, { now: clock.at, after: first.next })
  assert.deepEqual(
    [...first.items, ...second.items].map(({ from }) => from),
    all.toReversed(),
  )
  assert.equal(second.next, null)
  await purgeAuditStep({ ...context, before: all[20] ?? 0 })
  assert.equal((await incidentsBetween(db, { from: 0, to: clock.at })).length, 5)
})

test('a replica writes when an incident begins and ends, every 10 seconds meanwhile, and a lost database afterwards', async (t) => {
  const { db, context, clock } = await setUp(t)
  const sees: { lms: Seen | null; database: string | null } = { lms: null, database: null }
  const { look } = createIncidentWatch({ context, lms: () => sees.lms, database: () => sees.database })
  const read = async () =>
    (await listIncidents(db, { now: clock.at })).items.map(({ kind, from, to }) => [kind, from, to])
  await look()?.()
  assert.equal(look(), null)
  sees.lms = { ...DOWN, since: clock.at }
  await look()?.()
  assert.deepEqual(await read(), [['down', START, null]])
  assert.equal(look(), null)
  clock.at += 10_000
  await look()?.()
  assert.equal(only(await db.selectFrom('incidents').select('seen_at').execute()).seen_at, clock.at)
  sees.database = 'gone'
  assert.equal(look(), null)
  clock.at += 5000
  sees.database = null
  sees.lms = null
  await look()?.()
  assert.deepEqual(await read(), [
    ['database', START + 10_000, START + 15_000],
    ['down', START, START + 15_000],
  ])
})
