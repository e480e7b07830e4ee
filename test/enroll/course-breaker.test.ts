import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  afterCourseFailure,
  CLOSED,
  type CourseReport,
  type CourseState,
  createCourseBreakers,
  isPaused,
  PAUSES_MS,
} from '../../src/enroll/breakers/course-breakers.ts'

const COURSE = 'course-v1:x+A+1'
const OTHER = 'course-v1:x+B+1'
const MINUTE_MS = 60_000

const afterAll = (calls: readonly (readonly string[])[], now = 0): CourseState =>
  calls.reduce<CourseState>((state, people) => afterCourseFailure(state, { people, message: 'it failed', now }), CLOSED)

test('three failed calls for different people pause a course for 10 seconds; two don’t', () => {
  assert.equal(afterAll([['a'], ['b']]).kind, 'closed')
  const paused = afterAll([['a'], ['b'], ['c']], 1000)
  assert.deepEqual(paused, {
    kind: 'open',
    since: 1000,
    pausedAt: 1000,
    probeAt: 11_000,
    pauses: 1,
    message: 'it failed',
  })
})

test('one person never pauses a course, however often and in whichever batches that person fails', () => {
  const batches = fc.array(fc.uniqueArray(fc.string(), { maxLength: 9 }), { maxLength: 30 })
  fc.assert(
    fc.property(batches, (all) => {
      assert.equal(afterAll(all.map((others) => [...others, 'culprit'])).kind, 'closed')
    }),
  )
})

test('a course that fails for everyone is paused after five calls for a batch and its halves', () => {
  const people = Array.from({ length: 48 }, (_, i) => `p${i}`)
  const calls = [people, people.slice(0, 24), people.slice(24), people.slice(0, 12), people.slice(12, 24)]
  assert.equal(afterAll(calls.slice(0, 4)).kind, 'closed')
  assert.equal(afterAll(calls).kind, 'open')
})

test('pauses grow from 10 s to 10 min with each failed probe, and the last one repeats', () => {
  let state = afterAll([['a'], ['b'], ['c']])
  const pauses: number[] = []
  for (let i = 0; i < 8; i++) {
    assert.ok(state.kind === 'open')
    pauses.push(state.probeAt - state.pausedAt)
    state = afterCourseFailure(state, { people: ['a'], message: 'still', now: state.probeAt })
  }
  const grown = [10, 30, 60, 120, 300, 600, 600, 600].map((seconds) => seconds * 1000)
  assert.deepEqual(pauses, grown)
  assert.equal(PAUSES_MS.at(-1), 10 * MINUTE_MS)
  assert.ok(state.kind === 'open')
  assert.equal(state.since, 0)
})

test('a call that was in flight when the course was paused changes nothing', () => {
  const paused = afterAll([['a'], ['b'], ['c']])
  assert.equal(afterCourseFailure(paused, { people: ['d'], message: 'late', now: 9_999 }), paused)
})

test('a pause ends at its time, or at once if the clock is set back to before it', () => {
  const paused = afterAll([['a'], ['b'], ['c']], 50_000)
  assert.deepEqual(
    [49_999, 50_000, 59_999, 60_000].map((now) => isPaused(paused, now)),
    [false, true, true, false],
  )
})

function breakersAt(start: number) {
  const clock = { now: start }
  const reports: CourseReport[] = []
  const breakers = createCourseBreakers({ now: () => clock.now, onChange: (report) => reports.push(report) })
  const fail = (...people: string[]): void => {
    for (const person of people) breakers.failed(COURSE, { people: [person], message: 'The LMS failed (500)' })
  }
  return { clock, reports, breakers, fail }
}

test('a course goes from healthy to doubtful, paused and one probe at a time, and back at the first success', () => {
  const { clock, reports, breakers, fail } = breakersAt(0)
  assert.equal(breakers.healthOf(COURSE), 'healthy')
  fail('a')
  assert.equal(breakers.healthOf(COURSE), 'doubtful')
  fail('b', 'c')
  assert.equal(breakers.healthOf(COURSE), 'paused')
  assert.equal(breakers.healthOf(OTHER), 'healthy')
  clock.now = 10_000
  assert.equal(breakers.healthOf(COURSE), 'probe')
  breakers.beginCall([COURSE])
  assert.equal(breakers.healthOf(COURSE), 'probing')
  fail('d')
  breakers.endCall([COURSE])
  assert.equal(breakers.healthOf(COURSE), 'paused')
  assert.deepEqual(breakers.paused(), [{ course: COURSE, since: 0, probeAt: 40_000, message: 'The LMS failed (500)' }])
  clock.now = 40_000
  breakers.beginCall([COURSE])
  breakers.succeeded(COURSE)
  breakers.endCall([COURSE])
  assert.equal(breakers.healthOf(COURSE), 'healthy')
  assert.deepEqual(breakers.paused(), [])
  assert.deepEqual(
    reports.map((report) => (report.kind === 'works' ? 'works' : report.probeAt)),
    [10_000, 40_000, 'works'],
  )
})

test('a probe without a result leaves the course to the next probe', () => {
  const { clock, breakers, fail } = breakersAt(0)
  fail('a', 'b', 'c')
  clock.now = 10_000
  breakers.beginCall([COURSE])
  breakers.endCall([COURSE])
  assert.equal(breakers.healthOf(COURSE), 'probe')
})

test('a pause that no sale waits for any longer, as when its course was deleted, is shown for nine hours and not for ever', () => {
  const { clock, breakers, fail } = breakersAt(0)
  fail('a', 'b', 'c')
  clock.now = 8 * 60 * MINUTE_MS
  assert.equal(breakers.paused().length, 1, 'a sale may wait for eight hours between two attempts')
  clock.now = 9 * 60 * MINUTE_MS
  assert.deepEqual(breakers.paused(), [])
  assert.equal(breakers.healthOf(COURSE), 'healthy')
})

test('a success in between resets the count', () => {
  const { breakers, fail } = breakersAt(0)
  fail('a', 'b')
  breakers.succeeded(COURSE)
  fail('c', 'd')
  assert.equal(breakers.healthOf(COURSE), 'doubtful')
})
