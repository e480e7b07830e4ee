import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Course } from '../../../sandbox/lms/world.ts'
import { catalogueIn, readRow } from '../../../src/shop/courses/catalogue.ts'
import { readLms } from '../../../src/shop/courses/read-lms.ts'
import { storeContents } from '../../../src/shop/courses/store.ts'
import { acquire, DAY_MS } from '../../enroll/follow-up/harness.ts'
import { manyCourses, setUp as setUpBench, type Told, worldOf } from './harness.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const OTHER = 'course-v1:Lernito+Other+2026'
const LIST = '/api/courses/v1/courses/'
const ONE = '/api/courses/v1/courses/{id}'
const MODES = '/api/course_modes/v1/courses/{course_id}/'

const python: Course = { id: PYTHON, name: 'Python' }
const other: Course = { id: OTHER, name: 'Other' }
const sold = { email: 'a@x.example', courses: { [PYTHON]: 'enrolled' } } as const
const CLOSED = { code: 'closed', message: 'Enrollment is not open now' }
const MISSING = { code: 'missing', message: 'The LMS does not have the course' }
const ENDED = { enrollment_start: '2025-12-01', enrollment_end: '2026-01-15' } // the clock stands at 31 January

/** A catalogue that was read once, and a function that reads it again after the courses of the LMS were replaced. */
async function setUp(t: Parameters<typeof setUpBench>[0], { hasOutbox = true, first = [python, other] } = {}) {
  const bench = await setUpBench(t, { world: worldOf(first) }, { hasOutbox })
  await bench.sellOne(sold)
  await bench.refresh()
  const readWith = async (...courses: Course[]): Promise<Told['data'][]> => {
    await bench.reset(worldOf(courses))
    await bench.refresh()
    return bench.told()
  }
  return { ...bench, readWith }
}

test('a course that was sold is told when it is renamed, closed, opened, gone and back, each once; another is not', async (t) => {
  const { told, refresh, readWith } = await setUp(t)
  assert.deepEqual(await told(), [], 'after the first reading there is nothing to compare')
  const event = (name: string, reason: typeof CLOSED | null, ...changes: Told['data']['changes']) => [
    { id: PYTHON, name, sellable: reason === null, reason, changes },
  ]
  const renamed = { ...python, name: 'Python 3' }
  assert.deepEqual(
    await readWith(renamed, { ...other, name: 'Another' }),
    event('Python 3', null, { field: 'name', before: 'Python', after: 'Python 3' }),
  )
  await refresh()
  assert.deepEqual(await told(), [])
  assert.deepEqual(
    await readWith({ ...renamed, ...ENDED }),
    event('Python 3', CLOSED, { field: 'reason', before: null, after: 'closed' }),
  )
  assert.deepEqual(
    await readWith(other),
    event('Python 3', MISSING, { field: 'reason', before: 'closed', after: 'missing' }),
  )
  await refresh()
  assert.deepEqual(await told(), [])
  assert.deepEqual(
    await readWith(python, other),
    event(
      'Python',
      null,
      { field: 'name', before: 'Python 3', after: 'Python' },
      { field: 'reason', before: 'missing', after: null },
    ),
  )
})

test('an enrollment period that ends or begins without a change in the LMS is told once', async (t) => {
  const period = { ...python, enrollment_start: '2026-01-01', enrollment_end: '2026-02-02' }
  const { clock, refresh, told } = await setUp(t, { first: [period, other] })
  const reasons = async () => {
    await refresh()
    return (await told()).flatMap(({ changes }) => changes)
  }
  assert.deepEqual(await reasons(), [])
  clock.at += 2 * DAY_MS
  assert.deepEqual(await reasons(), [{ field: 'reason', before: null, after: 'closed' }])
  assert.deepEqual(await reasons(), [])
  clock.at -= 2 * DAY_MS
  assert.deepEqual(await reasons(), [{ field: 'reason', before: 'closed', after: null }])
})

test('a course that is full here, or lacks the mode that the operator chose, is told as one that can’t be sold', async (t) => {
  const { db, refresh, told } = await setUp(t)
  const reasons = async () => (await told()).map(({ reason }) => reason?.code ?? null)
  const set = (changes: object) => db.updateTable('deliveries').set(changes).execute()
  await set({ state: 'needs_attention', reason: 'lms.refused', reason_course: PYTHON })
  await refresh()
  assert.deepEqual(await reasons(), ['full'])
  await set({ state: 'handled', reason: null })
  await refresh()
  assert.deepEqual(await reasons(), [null])
  await set({ state: 'needs_attention', reason: 'lms.refused', course: OTHER, course_count: 2, reason_course: PYTHON })
  await refresh()
  assert.deepEqual(await reasons(), ['full'], 'the one course of several that was refused')
  await set({ state: 'handled', reason: null, course: PYTHON, course_count: 1, reason_course: null })
  await refresh({}, () => 'verified')
  assert.deepEqual(await reasons(), ['no_mode'])
  await refresh({}, () => 'verified')
  assert.deepEqual(await reasons(), [])
})

test('a course that the LMS had, or lacked, when it was first sold is compared from then on', async (t) => {
  const typo = 'course-v1:Lernito+PY1O1+2026'
  const { sellOne, readWith } = await setUp(t)
  await sellOne({ email: 'b@x.example', order: 2, courses: { [OTHER.toLowerCase()]: 'enrolled' } })
  await sellOne({ email: 'b@x.example', order: 3, courses: { [typo]: 'enrolled' } })
  assert.deepEqual(
    (await readWith(python, { ...other, name: 'Another' })).map(({ id, changes }) => [id, changes]),
    [[OTHER, [{ field: 'name', before: 'Other', after: 'Another' }]]],
  )
  assert.deepEqual(
    (await readWith(python, { id: typo, name: 'Python I' })).map(({ id, name, reason }) => [id, name, reason]).sort(),
    [
      [OTHER, 'Another', MISSING],
      [typo, 'Python I', null],
    ],
  )
})

test('what is first known of a course that was sold, such as its modes, is no change of it', async (t) => {
  const paid = { ...other, modes: ['professional'] }
  const { sellOne, db, refresh, told, read, readWith } = await setUp(t, { first: [python, paid] })
  const id = await sellOne({ email: 'b@x.example', order: 2, courses: { [OTHER]: 'enrolled' } })
  await db
    .updateTable('deliveries')
    .set({ state: 'needs_attention', reason: 'lms.refused', reason_course: OTHER })
    .where('id', '=', id)
    .execute()
  await refresh()
  assert.equal((await read()).find(OTHER)?.reason, 'no_mode')
  assert.deepEqual(await told(), [])
  assert.deepEqual(
    (await readWith(python, other)).map(({ changes }) => changes),
    [[{ field: 'reason', before: 'no_mode', after: 'full' }]],
  )
})

test('a reading that failed, and a call for one course that failed, tell nothing', async (t) => {
  const paid = { ...python, modes: ['professional'] }
  const { db, faults, noFaults, refresh, told, reset, read } = await setUp(t, { first: [paid, other] })
  await faults([{ path: MODES, status: 500 }])
  await refresh()
  assert.deepEqual((await read()).find(PYTHON)?.reason, 'no_mode', 'what was known of its modes stays')
  await reset(worldOf([other]))
  for (const path of [LIST, ONE]) {
    await noFaults()
    await faults([{ path, status: 500 }])
    await refresh()
  }
  assert.deepEqual(await told(), [])
  await noFaults()
  await refresh()
  assert.deepEqual(
    (await told()).map(({ changes }) => changes),
    [[{ field: 'reason', before: 'no_mode', after: 'missing' }]],
  )
  assert.deepEqual(await db.selectFrom('outbox').selectAll().execute(), [])
})

test('when two replicas have read the same change, one stores it with its event, and the other neither', async (t) => {
  const bench = await setUp(t)
  const second = await bench.replica('replica-2')
  const { db, lms, read, reset, told } = bench
  await reset(worldOf([{ ...python, name: 'Python 3' }]))
  const before = catalogueIn(await readRow(db))
  const found = await readLms({ lms, turn: async () => {}, acquire, sold: [PYTHON], before })
  if (!found.ok) throw new Error(found.failure.message)
  const order = { before, read: found.value, sold: [PYTHON], selling: { modeOf: () => null, isRefused: () => false } }
  const contexts = [bench.context, { ...second.context, hasOutbox: true }]
  const store = () => Promise.all(contexts.map((context) => storeContents(context, order)))
  await store()
  assert.deepEqual(
    (await told()).map(({ name }) => name),
    ['Python 3'],
  )
  await store()
  assert.deepEqual(await told(), [], 'also after the shop has it')
  assert.equal((await read()).version, before.version + 1)
})

test('of a course that changes again and again while the shop’s endpoint is away, only the newest event waits', async (t) => {
  const { reset, refresh, waiting } = await setUp(t)
  const sequences: number[] = []
  for (let n = 0; n < 12; n++) {
    await reset(worldOf([{ ...python, name: `Python ${n}` }, other]))
    await refresh()
    const [event, ...others] = await waiting()
    assert.deepEqual([event?.data.name, others], [`Python ${n}`, []])
    sequences.push(event?.sequence ?? 0)
  }
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(sequences).size, 12)
})

test('2,000 courses that are renamed at once are told in 2,000 events of a few hundred bytes', async (t) => {
  const courses = manyCourses(2000)
  const bench = await setUpBench(t, { world: worldOf(courses) }, { hasOutbox: true })
  await bench.sell(
    courses.map(({ id }, order) => ({ email: `a${order}@x.example`, order, courses: { [id]: 'enrolled' } })),
  )
  const withoutModes = { lms: { ...bench.lms, addedModes: async () => ({ ok: true, value: [] }) as const } } // quicker
  await bench.refresh(withoutModes)
  const long = 'Ä'.repeat(300)
  await bench.reset(worldOf(courses.map((course) => ({ ...course, name: `${course.id} ${long}` }))))
  await bench.refresh(withoutModes)
  const rows = await bench.db.selectFrom('outbox').select(['about', 'body']).execute()
  assert.deepEqual(
    rows.map(({ about }) => about).sort(),
    courses.map(({ id }) => id),
  )
  assert.ok(rows.every(({ body }) => body.length < 1000))
})

test('without events for the shop, nothing is stored; what changed before they were turned on is not told', async (t) => {
  const bench = await setUp(t, { hasOutbox: false })
  await bench.reset(worldOf([{ ...python, name: 'Python 3' }]))
  await bench.refresh()
  assert.deepEqual(await bench.waiting(), [])
  assert.equal((await bench.read()).find(PYTHON)?.name, 'Python 3')
})
