import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BreakerView, PausedCourseView } from '../../src/console/live.ts'
import { type Problem, problemsOf } from '../../src/console/problems.ts'
import type { Refuser } from '../../src/console/refused-page.ts'
import type { Overview } from '../../src/operations/operations.ts'

const now = Date.UTC(2026, 10, 24, 12)
const MINUTE_MS = 60_000
const NONE = { count: 0, more: false }
const quiet: Overview = {
  days: [],
  secondsToEnrollment: null,
  waiting: NONE,
  needsAttention: NONE,
  oldestWaiting: null,
  replicas: 1,
}
const UP: BreakerView = { kind: 'closed' }
const blocked = (kind: 'down' | 'throttled' | 'misconfigured'): BreakerView => ({
  kind,
  since: now - 90 * MINUTE_MS,
  failure: { message: 'The reason' },
})
const waitingSince = (minutes: number): Partial<Overview> => ({
  waiting: { count: 7, more: false },
  oldestWaiting: { id: 'ID', receivedAt: now - minutes * MINUTE_MS },
})
const refuser = (of: Partial<Refuser>): Refuser => ({
  address: '192.0.2.1',
  refused: 9,
  codes: { signature: 9 },
  since: now - 60 * MINUTE_MS,
  lastAt: now - MINUTE_MS,
  ...of,
})
const look = (of: {
  overview?: Partial<Overview>
  link?: BreakerView | null
  pausedCourses?: readonly PausedCourseView[]
  budget?: number | null
  refusers?: readonly Refuser[]
}): Problem[] =>
  problemsOf({
    overview: { ...quiet, ...of.overview },
    link: of.link === undefined ? UP : of.link,
    pausedCourses: of.pausedCourses ?? [],
    budget: of.budget === undefined ? 1 : of.budget,
    refusers: of.refusers ?? [],
    now,
  })
const titles = (problems: readonly Problem[]): string[] => problems.map(({ title }) => title)

test('nothing is wrong while the LMS answers and nobody waits for long, also before the work has begun', () => {
  assert.deepEqual(look({}), [])
  assert.deepEqual(look({ link: null, budget: null }), [])
  assert.deepEqual(look({ overview: waitingSince(9) }), [])
  assert.deepEqual(look({ budget: 0 }), [])
})

test('a link that is down, throttled or misconfigured is told with how long and why', () => {
  const told = (['down', 'throttled', 'misconfigured'] as const).map((kind) => look({ link: blocked(kind) })[0])
  assert.deepEqual(
    told.map((problem) => problem?.grade),
    ['bad', 'warning', 'bad'],
  )
  for (const problem of told) {
    assert.match(problem?.title ?? '', /1 h 30 min$/)
    assert.match(problem?.text ?? '', /^The reason\. /)
  }
})

const pausedCourse = (course: string, nextMinutes: number): PausedCourseView => ({
  course,
  since: now - 25 * MINUTE_MS,
  probeAt: now + nextMinutes * MINUTE_MS,
  message: 'The LMS failed (500)',
})

test('a paused course is named with how long, why and when it is tried next, and leads to its waiting deliveries', () => {
  const course = 'course-v1:Lernito+PY101+2026'
  const [soon, passed] = look({ pausedCourses: [pausedCourse(course, 4), pausedCourse(course, -1)] })
  assert.equal(soon?.title, `The LMS has been failing for ${course} for 25 min`)
  assert.match(soon?.text ?? '', /^The LMS failed \(500\)\. .* the next attempt is in 4 min\./)
  assert.match(passed?.text ?? '', /the next of them is a new attempt/)
  assert.equal(soon?.path, '/deliveries?q=course-v1%3ALernito%2BPY101%2B2026&state=waiting')
})

test('of many paused courses five are named and the others counted', () => {
  const problems = look({ pausedCourses: Array.from({ length: 9 }, (_, i) => pausedCourse(`course-v1:a+${i}+c`, 1)) })
  assert.equal(problems.length, 6)
  assert.equal(problems.at(-1)?.title, 'And for 4 more courses')
})

test('what needs attention is counted, one as one, and leads to the list', () => {
  const of = (count: number, more = false) => look({ overview: { needsAttention: { count, more } } })[0]
  assert.equal(of(1)?.title, 'One delivery needs attention')
  assert.equal(of(1234)?.title, '1,234 deliveries need attention')
  assert.equal(of(10_000, true)?.title, 'more than 10,000 deliveries need attention')
  assert.equal(of(1)?.path, '/deliveries?state=needs_attention')
})

test('what waits for long is told, unless the LMS or the budget explains it', () => {
  const overview = waitingSince(11)
  assert.deepEqual(titles(look({ overview })), ['A delivery has been waiting for 11 min'])
  assert.equal(look({ overview })[0]?.path, '/deliveries/ID')
  assert.deepEqual(titles(look({ overview, budget: 0.01 })), ['The call budget is used up'])
  assert.deepEqual(titles(look({ overview, link: blocked('down') })), ['The LMS has not been usable for 1 h 30 min'])
})

test('wrong signatures that keep coming are told; few, old or other refusals are not', () => {
  const [told] = look({ refusers: [refuser({ codes: { json: 50 } }), refuser({ address: '198.51.100.7' })] })
  assert.equal(told?.path, '/refused')
  assert.match(told?.text ?? '', /^9 came from 198\.51\.100\.7\./)
  assert.deepEqual(look({ refusers: [refuser({ codes: { signature: 4 } })] }), [])
  assert.deepEqual(look({ refusers: [refuser({ lastAt: now - 61 * MINUTE_MS })] }), [])
})

test('the gravest comes first', () => {
  const all = look({
    overview: { ...waitingSince(60), needsAttention: { count: 2, more: false } },
    link: blocked('down'),
    refusers: [refuser({})],
  })
  assert.deepEqual(titles(all), [
    'The LMS has not been usable for 1 h 30 min',
    '2 deliveries need attention',
    'Webhooks with a wrong signature keep coming',
  ])
})
