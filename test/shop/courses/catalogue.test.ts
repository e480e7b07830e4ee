import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { type Bench, manyCourses, setUp, worldOf } from './harness.ts'

const PRO = 'course-v1:Lernito+Pro+2026'
const TYPO = 'course-v1:Lernito+PY1O1+2026'
const LIST = '/api/courses/v1/courses/'
const ONE = '/api/courses/v1/courses/{id}'
const MODES = '/api/course_modes/v1/courses/{course_id}/'
const DETAILS = '/api/enrollment/v1/course/{course_id}'

const enrolled = { [DEMO]: 'enrolled' } as const

/** How often each of the catalogue's endpoints was called. */
async function callsOf({ calls }: Bench): Promise<Record<string, number>> {
  const counts: Record<string, number> = { [LIST]: 0, [ONE]: 0, [MODES]: 0, [DETAILS]: 0 }
  for (const { path, count } of await calls()) if (path in counts) counts[path] = (counts[path] ?? 0) + count
  return counts
}

/** What readers see of the catalogue, without its functions. */
async function seen({ read }: Pick<Bench, 'read'>) {
  const { courses, missing, version, checkedAt, failure } = await read()
  return { courses, missing, version, checkedAt, failure }
}

test('2,000 courses are read with 20 calls of the list, one more for each course that was sold, and one for the default mode', async (t) => {
  const courses = manyCourses(2000)
  const bench = await setUp(t, { world: worldOf(courses), throttle: 120 })
  const sold = courses.slice(0, 7).map(({ id }) => id)
  for (const [order, course] of [...sold, TYPO].entries()) {
    await bench.sellOne({ email: `a${order}@x.example`, order, courses: { [course]: 'enrolled' } })
  }
  const found = await bench.refresh()
  assert.equal(found.ok, true)
  assert.deepEqual(await callsOf(bench), { [LIST]: 20, [MODES]: 7, [ONE]: 1, [DETAILS]: 1 })
  const catalogue = await bench.read()
  assert.equal(catalogue.courses.length, 2000)
  assert.deepEqual(catalogue.missing, [{ key: TYPO, name: null, modes: null, reason: 'missing', was: null }])
  assert.deepEqual(
    catalogue.courses.filter(({ modes }) => modes !== null).map(({ key }) => key),
    sold,
  )
})

test('a course has its name, times and modes; a key finds it in any letter case', async (t) => {
  const course = {
    id: PRO,
    name: 'Professional &lt;only&gt;',
    start: '2026-02-01',
    end: '2026-12-31',
    enrollment_start: '2026-01-01',
    enrollment_end: '2026-01-15',
    modes: ['professional'],
    mode_ends: { professional: '2026-06-01' },
  }
  const bench = await setUp(t, { world: worldOf([course]) })
  await bench.sellOne({ email: 'a@x.example', courses: { [PRO]: 'enrolled' } })
  await bench.refresh()
  const catalogue = await bench.read()
  assert.deepEqual(catalogue.find(PRO.toLowerCase()), {
    key: PRO,
    name: 'Professional <only>',
    organization: 'Lernito',
    start: Date.UTC(2026, 1, 1),
    end: Date.UTC(2026, 11, 31),
    enrollmentStart: Date.UTC(2026, 0, 1),
    enrollmentEnd: Date.UTC(2026, 0, 15),
    invitationOnly: false,
    modes: [{ slug: 'professional', name: 'professional', price: 100, currency: 'usd', until: Date.UTC(2026, 5, 1) }],
    reason: 'closed', // the clock of the test stands at 31 January
    was: null,
  })
})

test('a key that the LMS does not have is close to that of a course, and one that it has to none', async (t) => {
  const bench = await setUp(t, { world: worldOf(manyCourses(2)) })
  const early = await bench.read()
  assert.equal(early.closest('course-v1:Many+CO001+2026'), null, 'nothing was read yet')
  await bench.refresh()
  const { closest } = await bench.read()
  assert.equal(closest('course-v1:Many+CO001+2026'), 'course-v1:Many+C0001+2026')
  assert.equal(closest('course-v1:many+C0000+2026+branch@x'), null)
  assert.equal(closest('course-v1:Nobody+Knows+Ever'), null)
})

test('each wrong key has its closest one, however many there were before', async (t) => {
  const bench = await setUp(t, { world: worldOf(manyCourses(1)) })
  await bench.refresh()
  const { closest } = await bench.read()
  for (const n of [...Array(250).keys(), 0]) assert.notEqual(closest(`course-v1:Many+C0000+${2100 + n}`), null)
})

test('a reading that ends at any call leaves the old catalogue as it was, and one that ends at none the new one', async (t) => {
  const bench = await setUp(t, { world: worldOf(manyCourses(250)) })
  const sold = ['course-v1:Many+C0003+2026', TYPO]
  for (const [order, course] of sold.entries()) {
    await bench.sellOne({ email: `a${order}@x.example`, order, courses: { [course]: 'enrolled' } })
  }
  await bench.refresh()
  const old = await seen(bench)
  await bench.reset(worldOf(manyCourses(249)))
  const end = new Error('the process ends here')
  const calls = 3 + sold.length + 1 // the default mode
  for (let last = 0; last < calls; last++) {
    let made = 0
    const orEnd = async (): Promise<void> => {
      if (made++ === last) throw end
    }
    const acquiring = async () => {
      await orEnd()
      return { spend: () => {}, release: () => {} }
    }
    await assert.rejects(bench.refresh({ turn: orEnd, acquire: acquiring }), end)
    assert.deepEqual(await seen(bench), old, `after ${last} calls`)
  }
  await bench.refresh()
  assert.equal((await bench.read()).courses.length, 249)
})

test('an LMS that fails, is slow, or lists a part leaves the old catalogue with its age, and says why', async (t) => {
  const bench = await setUp(t, { world: worldOf(manyCourses(250)) })
  await bench.refresh()
  const old = await seen(bench)
  bench.clock.at += 600_000
  const { lms } = bench
  type Page = Awaited<ReturnType<typeof lms.coursePage>>
  const saying =
    (change: (page: Extract<Page, { ok: true }>['value'], number: number) => object): typeof lms.coursePage =>
    async (permit, number) => {
      const page = await lms.coursePage(permit, number)
      return page.ok ? { ok: true, value: { ...page.value, ...change(page.value, number) } } : page
    }
  const wrong: readonly (readonly [why: RegExp, page: typeof lms.coursePage])[] = [
    [/fewer or other courses/, saying(({ courses }, n) => (n === 3 ? { rows: 49, courses: courses.slice(1) } : {}))],
    [/fewer or other courses/, saying((_page, n) => (n === 3 ? { rows: 0, courses: [] } : {}))],
    [
      /fewer or other courses/,
      saying(({ courses }, n) => (n === 2 ? { courses: [...courses.slice(1), courses[1]] } : {})),
    ],
    [/changed while they were listed/, saying(({ count }, n) => ({ count: count + n }))],
    [/lists no courses: .* staff/, saying(() => ({ count: 0, rows: 0, courses: [] }))],
    [/has 10001 courses: the catalogue takes at most 10000/, saying(() => ({ count: 10_001 }))],
  ]
  for (const [why, coursePage] of wrong) {
    const found = await bench.refresh({ lms: { ...lms, coursePage } })
    assert.equal(found.ok, false, `${why}`)
    const { failure, ...kept } = await seen(bench)
    assert.match(failure?.message ?? '', why)
    assert.equal(failure?.at, bench.clock.at)
    assert.deepEqual({ ...kept, failure: null }, old)
  }
  for (const fault of [{ status: 500 }, { status: 503 }, { status: 429 }]) {
    await bench.faults([{ path: LIST, ...fault }])
    assert.equal((await bench.refresh()).ok, false, `${fault.status}`)
    assert.deepEqual({ ...(await seen(bench)), failure: null }, old)
  }
  await bench.noFaults()
  await bench.refresh()
  const { checkedAt, failure } = await bench.read()
  assert.deepEqual({ checkedAt, failure }, { checkedAt: bench.clock.at, failure: null })
})

test('a course whose modes the LMS fails to tell has unknown ones, and does not keep the others old', async (t) => {
  const bench = await setUp(t)
  await bench.sell([{ email: 'a@x.example', courses: { ...enrolled, [PRO]: 'enrolled' } }])
  await bench.faults([{ path: MODES, naming: 'Demo_Course', status: 500 }])
  const found = await bench.refresh()
  assert.equal(found.ok, true)
  const catalogue = await bench.read()
  assert.equal(catalogue.find(DEMO)?.modes, null)
  assert.deepEqual(
    catalogue.find(PRO)?.modes?.map(({ slug }) => slug),
    ['professional'],
  )
})

test('a course to which nobody has added a mode has the default mode of this LMS', async (t) => {
  const bench = await setUp(t, { world: { ...worldOf(manyCourses(2)), default_mode: 'honor' } })
  const [first = '', second = ''] = manyCourses(2).map(({ id }) => id)
  await bench.sellOne({ email: 'a@x.example', courses: { [first]: 'enrolled', [second]: 'enrolled' } })
  await bench.refresh({}, () => 'honor')
  const honor = [{ slug: 'honor', name: 'Honor', price: 0, currency: 'usd', until: null }]
  const known = async () =>
    (await bench.read()).courses.map(({ modes, reason }) => ({ modes, reason: reason ?? 'sellable' }))
  assert.deepEqual(
    await known(),
    [first, second].map(() => ({ modes: honor, reason: 'sellable' })),
  )
  await bench.faults([{ path: DETAILS, status: 429 }])
  assert.equal((await bench.refresh({}, () => 'honor')).ok, true)
  assert.deepEqual(
    await known(),
    [first, second].map(() => ({ modes: honor, reason: 'sellable' })),
    'it stays',
  )
})

test('a test sale, a corrected sale and one of 91 days ago make no course a sold one', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: 'a@x.example', courses: enrolled })
  const modesCalls = async (): Promise<number> => {
    await bench.forgetCalls()
    await bench.refresh()
    return (await callsOf(bench))[MODES] ?? 0
  }
  assert.equal(await modesCalls(), 1)
  const set = (changes: object) => bench.db.updateTable('deliveries').set(changes).where('id', '=', id).execute()
  await set({ source: 'test' })
  assert.equal(await modesCalls(), 0)
  await set({ source: 'shop', replaced_by: '01KGA000000000000000000001' })
  assert.equal(await modesCalls(), 0)
  await set({ replaced_by: null })
  assert.equal(await modesCalls(), 1)
  bench.clock.at += 91 * 86_400_000
  assert.equal(await modesCalls(), 0)
})
