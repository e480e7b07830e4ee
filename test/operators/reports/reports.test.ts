import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { daysFrom, zoneOf } from '../../../src/console/layout/zone.ts'
import { stepReplay } from '../../../src/operators/changes/bulk-steps.ts'
import { createOperations } from '../../../src/operators/changes/operations.ts'
import { countsOf, type StateCounts, salesBySpan, totalOf } from '../../../src/operators/reports/counts.ts'
import { CAUSES_MAX } from '../../../src/operators/reports/overview.ts'
import { DELIVERY_STATES, type Outcome, type Settlement } from '../../../src/sale/types.ts'
import { missingCourses } from '../../../src/shop/courses/sold-courses.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  onSqlite,
  rejectedArrival,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'
import { until } from '../../service/process.ts'

const HOUR_MS = 3_600_000
const OTHER = 'course-v1:edX+Other+2026'
/** Counts in which the other states have none. */
const counted = (counts: Partial<StateCounts>): StateCounts => ({ ...countsOf([]), ...counts })
const person = (n: number, courseIds = [COURSE]) => arrival({ email: `p${n}@x.example`, courseIds })

const failing = (id: string, code: 'course.missing' | 'lms.refused', subject: string): Settlement => {
  const outcome: Outcome = { courses: {}, reason: { code, subject } }
  return { ...needsAttention(id), outcome }
}

test('the causes group what needs attention by reason and course, the most frequent first', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const ids = (await store.write(Array.from({ length: 9 }, (_, n) => accepted(person(n))))).map(({ id }) => id)
  const [a = '', b = '', c = '', h = '', e = '', f = '', g = '', d = ''] = ids
  await store.write([a, b, c].map((id) => settled(failing(id, 'course.missing', OTHER))))
  await store.write([settled(failing(h, 'course.missing', `${OTHER}+branch@draft`))])
  clock.at += HOUR_MS
  await store.write([settled(failing(d, 'course.missing', OTHER.toUpperCase()))])
  await store.write([
    settled(failing(e, 'lms.refused', 'one text')),
    settled(failing(f, 'lms.refused', 'another text')),
  ])
  await store.write([settled(succeeded(g))])
  await store.write([accepted(rejectedArrival())])
  const causes = await operations.causes()
  assert.deepEqual(
    causes.map(({ code, course, count }) => [code, course, count]),
    [
      ['course.missing', OTHER.toUpperCase(), 5],
      ['lms.refused', null, 2],
      ['payload.invalid', null, 1],
    ],
  )
  assert.deepEqual([causes[0]?.firstAt, causes[0]?.lastAt, causes[0]?.latest], [START, START + HOUR_MS, d])
  const behind = await operations.list({ filter: { cause: 'course.missing', about: causes[0]?.course ?? '' } })
  assert.equal(behind.items.length, 5, 'the list behind it')
})

test('of more causes than a page can show, those of the most deliveries are read', async (t) => {
  const { store, operations } = await setUp(t)
  const sold = await store.write(Array.from({ length: CAUSES_MAX + 2 }, (_, n) => accepted(person(n))))
  await store.write(
    sold.map(({ id }, n) =>
      settled(failing(id, 'course.missing', n === 0 ? OTHER : `course-v1:a+${Math.min(n, CAUSES_MAX)}+c`)),
    ),
  )
  const causes = await operations.causes()
  assert.equal(causes.length, CAUSES_MAX)
  assert.deepEqual([causes[0]?.course, causes[0]?.count], [`course-v1:a+${CAUSES_MAX}+c`, 2])
})

test('of a sale of several courses, a cause names the one that failed, and none if that is not known', async (t) => {
  const { store, operations } = await setUp(t)
  const sales = ['lms.refused', 'retries.exhausted', 'lms.refused'] as const
  const written = await store.write(sales.map((_, n) => accepted(person(n, [COURSE, OTHER]))))
  const courses = [OTHER, OTHER, undefined]
  await store.write(
    written.map(({ id }, n) => {
      const course = courses[n]
      const reason = { code: sales[n] ?? 'lms.refused', subject: 'full', ...(course === undefined ? {} : { course }) }
      return settled({ ...needsAttention(id), outcome: { courses: {}, reason } })
    }),
  )
  const causes = await operations.causes()
  assert.deepEqual(causes.map(({ code, course }) => `${code} ${course}`).sort(), [
    `lms.refused ${OTHER}`,
    'lms.refused null',
    `retries.exhausted ${OTHER}`,
  ])
  const filter = { states: ['needs_attention' as const], cause: 'lms.refused' as const, about: OTHER }
  const { items } = await operations.list({ filter })
  assert.deepEqual(
    items.map(({ id }) => id),
    [written[0]?.id],
  )
})

test('a reason that a newer version has stored is a cause like a row that can’t be read', async (t) => {
  const { store, operations, db } = await setUp(t)
  const [{ id } = { id: '' }] = await store.write([accepted(person(1))])
  await store.write([settled(needsAttention(id))])
  await sql`update deliveries set reason = 'of.tomorrow'`.execute(db)
  const causes = await operations.causes()
  assert.deepEqual(
    causes.map(({ code, count, latest }) => [code, count, latest]),
    [['row.unreadable', 1, id]],
  )
})

test('each delivery counts once, in the state that it has now', async (t) => {
  const { store, operations } = await setUp(t)
  const ids = (await store.write([accepted(person(1)), accepted(person(2))])).map(({ id }) => id)
  await store.write([settled(succeeded(ids[0] ?? ''))])
  await store.write([accepted(person(1))]) // a repeat
  await store.write([settled(succeeded(ids[0] ?? '', 'enrolled', 1))])
  const { value } = await operations.countByState({})
  assert.deepEqual([value.enrolled, value.queued, value.rejected], [1, 1, 0])
})

test('sales are counted by the time of receiving and by their state now', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const [old] = await store.write([accepted(person(1))])
  clock.at += 50 * HOUR_MS
  const some = await store.write([accepted(person(2)), accepted(person(3, [OTHER])), accepted(rejectedArrival())])
  clock.at += HOUR_MS
  await store.write([settled(succeeded(old?.id ?? '')), settled(succeeded(some[0]?.id ?? ''))])
  const [first, second, end] = [START + 50 * HOUR_MS, START + 51 * HOUR_MS, START + 52 * HOUR_MS]
  const hours = await operations.sales([first, second, end])
  assert.deepEqual(hours.value, [
    { from: first, to: second, counts: counted({ enrolled: 1, queued: 1, rejected: 1 }) },
    { from: second, to: end, counts: counted({}) },
  ])
  const all = await operations.sales([START - HOUR_MS, START, START + 50 * HOUR_MS, end])
  assert.deepEqual(
    all.value.map(({ counts }) => counts),
    [counted({}), counted({ enrolled: 1 }), counted({ enrolled: 1, queued: 1, rejected: 1 })],
  )
  const { value } = await operations.salesByCourse({ from: 0 })
  assert.deepEqual(value, {
    courses: [
      { course: COURSE, counts: counted({ enrolled: 2 }) },
      { course: OTHER, counts: counted({ queued: 1 }) },
    ],
    unnamed: counted({ rejected: 1 }),
    sales: 4,
  })
  assert.equal((await operations.salesByCourse({ from: START + 1 })).value.sales, 3)
})

test('of the days of a year, the database gives a row for each day and state, also where the clocks change', async (t) => {
  const { db, store, clock } = await setUp(t)
  const zone = zoneOf('Europe/Berlin')
  const bounds = daysFrom({ first: '2026-01-31', last: '2027-01-30', zone })
  const [change = 0] = daysFrom({ first: '2026-03-29', last: '2026-03-29', zone })
  const times = [0.5, 1.5, 22.5, 23.5].map((hours) => change + hours * HOUR_MS)
  for (const [n, at] of times.entries()) {
    clock.at = at
    await store.write([accepted(person(n))])
  }
  let read = 0
  const bars = await salesBySpan(
    db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        read += result.rows.length
        return result
      },
    }),
    bounds,
  )
  assert.equal(bars.length, 365)
  const sold = bars.filter(({ counts }) => totalOf(counts) > 0)
  assert.deepEqual(
    sold.map(({ from, to, counts }) => [(from - change) / HOUR_MS, (to - from) / HOUR_MS, counts.queued]),
    [
      [0, 23, 3],
      [23, 24, 1],
    ],
  )
  assert.equal(read, sold.length)
})

test('each course of a sale counts once, however it is spelled, and each figure is that of the list behind it', async (t) => {
  const { store, operations } = await setUp(t)
  const branch = `${COURSE}+branch@draft-branch`
  const version = `${OTHER}+version@519665f6223ebd6980884f2b`
  const courses = [[COURSE, OTHER], [version.toLowerCase(), COURSE, COURSE.toUpperCase(), branch], [branch], [OTHER]]
  const ids = (await store.write(courses.map((courseIds, n) => accepted(person(n, courseIds))))).map(({ id }) => id)
  await store.write([settled(succeeded(ids[0] ?? '')), settled(needsAttention(ids[1] ?? ''))])
  await operations.markHandled({ id: ids[2] ?? '', as: 'settled', note: '', by: 'alice' })
  const { value } = await operations.salesByCourse({ from: START })
  assert.deepEqual(value.courses, [
    { course: COURSE, counts: counted({ enrolled: 1, needs_attention: 1, handled: 1 }) },
    { course: OTHER, counts: counted({ enrolled: 1, needs_attention: 1, queued: 1 }) },
  ])
  assert.equal(value.sales, 4)
  for (const { course, counts } of (await operations.salesByCourse({ from: START })).value.courses) {
    for (const state of DELIVERY_STATES) {
      const filter = { course, sales: true, received: START, states: [state] } as const
      const { items } = await operations.list({ filter: { ...filter, states: [...filter.states] } })
      assert.equal(items.length, counts[state], `${course} ${state}`)
    }
  }
})

test('a corrected sale counts once, as its correction, and a test sale never', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const [sold] = await store.write([accepted(person(1))])
  const totals = async () => {
    const [{ value: states }, { value: bars }, { value: byCourse }] = await Promise.all([
      operations.countByState({ sales: true }),
      operations.sales([START - (START % 900_000), START + HOUR_MS]),
      operations.salesByCourse({ from: START }),
    ])
    const listed = (await operations.list({ filter: { sales: true } })).items.length
    return [totalOf(states), totalOf(bars[0]?.counts ?? counted({})), byCourse.sales, listed]
  }
  assert.deepEqual(await totals(), [1, 1, 1, 1])
  clock.at += 10_000 // the count by course is kept for this long
  await operations.correct({ id: sold?.id ?? '', courseIds: [OTHER], withdraw: null, by: 'alice' })
  await operations.testSale({ email: 'test@x.example', courseIds: [COURSE], nonce: 'n', by: 'alice' })
  assert.deepEqual(await totals(), [1, 1, 1, 1])
  assert.deepEqual((await operations.salesByCourse({ from: START })).value.courses, [
    { course: OTHER, counts: counted({ queued: 1 }) },
  ])
})

test('the neighbors of a delivery are those above and below it in the list, with any filter', async (t) => {
  const { store, operations, clock } = await setUp(t)
  for (let n = 0; n < 6; n++) {
    await store.write([accepted(person(n, n % 2 === 0 ? [COURSE] : [OTHER]))])
    if (n % 3 === 0) clock.at += 1000
  }
  for (const filter of [{}, { states: ['queued' as const] }, { course: COURSE }, { find: 'x.example' }]) {
    const ids = (await operations.list({ filter })).items.map(({ id }) => id)
    for (const [i, id] of ids.entries()) {
      const wanted = { previous: ids[i - 1] ?? null, next: ids[i + 1] ?? null }
      assert.deepEqual(await operations.neighbors({ id, filter }), wanted)
    }
  }
  const [first] = (await operations.list({ filter: {} })).items
  const none = { previous: null, next: null }
  assert.deepEqual(await operations.neighbors({ id: first?.id ?? '', filter: { states: ['rejected'] } }), none)
  assert.deepEqual(await operations.neighbors({ id: first?.id ?? '', filter: { find: 'nobody' } }), none)
  assert.deepEqual(await operations.neighbors({ id: 'X', filter: {} }), none)
})

test('what is counted for a page is counted where it holds up nothing else', async (t) => {
  const [{ context }, other] = [await setUp(t), await setUp(t)]
  const [, second] = await other.store.write([accepted(person(1)), accepted(person(2))])
  await other.store.write([settled(failing(second?.id ?? '', 'course.missing', OTHER))])
  other.clock.at += 1000
  const database = { ...context.database, reports: other.context.database.reports }
  const { causes, countByState, sales, salesByCourse, replayResults, ...bulk } = createOperations({
    context: { ...context, database },
    guard: (work) => work(),
  })
  const bounds = [START, START + HOUR_MS]
  assert.equal((await countByState({})).value.queued, 1)
  assert.equal((await sales(bounds)).value[0]?.counts.queued, 1)
  assert.equal((await salesByCourse({ from: START })).value.sales, 2)
  assert.equal((await causes()).length, 1)
  assert.equal((await missingCourses(database))(OTHER), true)
  await other.store.write([accepted(person(3))])
  // A count that takes longer than 50 ms, as on a busy machine, gives the last one.
  await until('three sales', async () => (await salesByCourse({ from: START })).value.sales === 3 || undefined)
  await until('two that wait', async () => (await countByState({})).value.queued === 2 || undefined)
  assert.equal((await bulk.previewReplay({ filter: {} })).count, 3)
  assert.equal((await bulk.previewReplay({ filter: {}, corrects: { from: OTHER }, limit: 1 })).count, 1)
  assert.equal((await bulk.startReplay({ filter: {}, by: 'alice' })).total, 3)
  const corrects = { from: OTHER, to: COURSE }
  assert.equal((await bulk.startReplay({ filter: {}, corrects, by: 'alice' })).total, 1)
  const { id } = await other.operations.startReplay({ filter: {}, by: 'alice' })
  await stepReplay(other.context, id)
  assert.equal(totalOf(await replayResults(id)), 2)
})

// SQLite has no limit: its reports have a thread of their own.
if (!onSqlite())
  test('on a server, a report may take longer than other statements', async (t) => {
    const { reports, db } = (await setUp(t)).context.database
    const slow = sql`select sleep(5.2)`
    const ended = await Promise.allSettled([slow.execute(reports), slow.execute(db)])
    assert.deepEqual(
      ended.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
  })
