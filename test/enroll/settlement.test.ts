import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settlement } from '../../src/enroll/settlement.ts'
import { done, failed, type PairResult, record, recordPause, refused, stop, type Work } from '../../src/enroll/work.ts'
import { nextAttemptAt, RETRY_SCHEDULE_MS } from '../../src/queue/retry-schedule.ts'
import { type Settlement, stateAfter } from '../../src/sale/types.ts'
import { aWork } from './works.ts'

const [A, B] = ['course-v1:x+A+1', 'course-v1:x+B+1'] as const
const UNREACHABLE = {
  kind: 'unreachable',
  message: 'the LMS does not answer',
  retryAfterMs: null,
  mayHaveTakenEffect: false,
} as const
const unreachable = failed(UNREACHABLE)

function settled(work: Work, results: Record<string, PairResult>) {
  for (const [course, result] of Object.entries(results)) record({ work, course, result })
  return withState(settlement({ work, now: 1_000_000, random: () => 0.5 }))
}

const withState = (settled: Settlement) => ({ ...settled, state: stateAfter(settled) })

test('the result of an attempt names the batches in which the person was', () => {
  const work = aWork({ courses: [A, B] })
  assert.equal(settled(work, { [A]: done('enrolled') }).detail, `enrolled in ${A}`)
  work.batches.push('01A')
  assert.equal(settled(work, { [B]: done('allowed') }).detail, `enrolled in ${A}; pre-enrolled in ${B} (batch 01A)`)
  work.batches.push('01B')
  assert.equal(settled(work, { [A]: unreachable }).detail, 'attempt 1: the LMS does not answer (batches 01A, 01B)')
})

test('the timeline tells the reason against each course, and one about the person once', () => {
  const full = (course: string) => refused({ code: 'lms.refused', subject: `no room in ${course}` })
  const { detail, outcome } = settled(aWork({ courses: [A, B] }), { [B]: full(B), [A]: full(A) })
  assert.equal(
    detail,
    `the LMS refused the enrollment: no room in ${A}; the LMS refused the enrollment: no room in ${B}`,
  )
  assert.deepEqual(outcome.reason, { code: 'lms.refused', subject: `no room in ${A}`, course: A })
  const retired = refused({ code: 'person.retired', subject: '' })
  const ofPerson = settled(aWork({ courses: [A, B] }), { [A]: retired, [B]: retired }).detail
  assert.equal(ofPerson, settled(aWork({ courses: [A] }), { [A]: retired }).detail)
})

test('the retry schedule is 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, and then eight times 8 h', () => {
  const minutes = RETRY_SCHEDULE_MS.map((ms) => ms / 60_000)
  assert.deepEqual(minutes, [5 / 60, 0.5, 2, 10, 30, 60, 120, 240, ...Array.from({ length: 8 }, () => 480)])
})

test('attempts are spread by ten percent to either side', () => {
  assert.equal(nextAttemptAt({ failures: 1, now: 0, random: () => 0 }), 4500)
  assert.equal(nextAttemptAt({ failures: 1, now: 0, random: () => 1 }), 5500)
})

test('a failure costs an attempt, unless the LMS throttles, is misconfigured or refuses our token', () => {
  assert.ok(unreachable.kind === 'failure')
  for (const [kind, attempts] of [
    ['unreachable', 4],
    ['server_error', 4],
    ['throttled', 3],
    ['misconfigured', 3],
    ['unauthorized', 3],
  ] as const) {
    const failure = failed({ ...unreachable.failure, kind })
    const after = settled(aWork({ courses: [A], attempts: 3 }), { [A]: failure })
    assert.deepEqual([after.state, after.attempts], ['queued', attempts], kind)
  }
})

const blocked = failed({ ...UNREACHABLE, kind: 'blocked', message: 'something blocks it' })

test('a sale that something blocks needs attention after four attempts, unless another of its courses may still succeed', () => {
  for (const [attempts, others, state] of [
    [2, {}, 'queued'],
    [3, {}, 'needs_attention'],
    [3, { [B]: done('enrolled') }, 'needs_attention'],
    [3, { [B]: unreachable }, 'queued'],
  ] as const) {
    const after = settled(aWork({ courses: [A, B], attempts }), { [A]: blocked, ...others })
    assert.equal(after.state, state)
    const reason = { code: 'lms.blocked', subject: 'something blocks it', course: A }
    assert.deepEqual(after.outcome.reason, state === 'queued' ? null : reason)
  }
})

test('a misconfigured LMS never uses up the schedule', () => {
  assert.ok(unreachable.kind === 'failure')
  const misconfigured = failed({ ...unreachable.failure, kind: 'misconfigured' })
  const after = settled(aWork({ courses: [A], attempts: RETRY_SCHEDULE_MS.length }), { [A]: misconfigured })
  assert.equal(after.state, 'queued')
})

test('a delivery with an allowance in a course is pre-enrolled, and says which courses are enrolled and which allowed', () => {
  const { state, outcome, dueAt, detail } = settled(aWork({ courses: [A, B] }), {
    [A]: done('enrolled'),
    [B]: done('allowed'),
  })
  assert.deepEqual(
    { state, dueAt, outcome },
    { state: 'pre_enrolled', dueAt: null, outcome: { courses: { [A]: 'enrolled', [B]: 'allowed' }, reason: null } },
  )
  assert.equal(detail, `enrolled in ${A}; pre-enrolled in ${B}`)
})

test('a delivery that the LMS refuses needs attention, names the refused course, and keeps its other results', () => {
  const reason = { code: 'lms.refused', subject: 'course full' } as const
  const { state, outcome, dueAt } = settled(aWork({ courses: [A, B] }), { [A]: done('enrolled'), [B]: refused(reason) })
  assert.deepEqual(
    { state, dueAt, outcome },
    {
      state: 'needs_attention',
      dueAt: null,
      outcome: { courses: { [A]: 'enrolled' }, reason: { ...reason, course: B } },
    },
  )
})

test('a malformed course key is the sender’s mistake, and is rejected', () => {
  const work = aWork({ courses: [] })
  work.reasons.push({ code: 'course_key.malformed', subject: 'nonsense' })
  assert.equal(settled(work, {}).state, 'rejected')
})

test('a failure waits for the next attempt and keeps the results, also that another course was refused', () => {
  const refusal = refused({ code: 'lms.refused', subject: 'course full' })
  const { state, outcome, dueAt, attempts } = settled(aWork({ courses: [A, B, 'c'], attempts: 1 }), {
    [A]: done('allowed'),
    [B]: unreachable,
    c: refusal,
  })
  assert.deepEqual(
    { state, dueAt, attempts, outcome },
    {
      state: 'queued',
      dueAt: 1_030_000,
      attempts: 2,
      outcome: { courses: { [A]: 'allowed' }, reason: { code: 'lms.refused', subject: 'course full', course: 'c' } },
    },
  )
})

test('of several refusals, the sender is told that of the first course, and one of the person before', () => {
  const work = aWork({ courses: [A, B] })
  work.reasons.push(
    { code: 'lms.refused', subject: 'full', course: B },
    { code: 'lms.refused', subject: 'closed', course: A },
  )
  const told = () => settlement({ work, now: 0, random: () => 0.5 }).outcome.reason?.subject
  assert.equal(told(), 'closed')
  work.reasons.push({ code: 'person.retired', subject: '' })
  assert.equal(told(), '')
})

test('after the last attempt, the delivery needs attention', () => {
  const last = settled(aWork({ courses: [A], attempts: RETRY_SCHEDULE_MS.length - 1 }), { [A]: unreachable })
  assert.equal(last.state, 'queued')
  const over = settled(aWork({ courses: [A], attempts: RETRY_SCHEDULE_MS.length }), { [A]: unreachable })
  assert.equal(over.state, 'needs_attention')
  assert.deepEqual(over.outcome.reason, { code: 'retries.exhausted', subject: 'the LMS does not answer', course: A })
  const second = aWork({ courses: [A, B], attempts: RETRY_SCHEDULE_MS.length })
  assert.equal(settled(second, { [A]: done('enrolled'), [B]: unreachable }).outcome.reason?.course, B)
})

test('a failure costs no attempt while the circuit breaker is open; a throttle or misconfiguration never costs one', () => {
  const throttled = failed({ kind: 'throttled', message: 'slow down', retryAfterMs: 58_000, mayHaveTakenEffect: false })
  const waits = settled(aWork({ courses: [A], attempts: 12 }), { [A]: throttled })
  assert.deepEqual([waits.state, waits.attempts, waits.dueAt], ['queued', 12, 1_058_000])
  const work = aWork({ courses: [A], attempts: 12 })
  record({ work, course: A, result: unreachable })
  const held = withState(settlement({ work, now: 0, random: () => 0.5, isOpen: true }))
  assert.deepEqual([held.state, held.attempts, held.dueAt], ['queued', 12, 0])
})

test('once an outage is over, a sale waits no longer, however long the LMS asked it to', () => {
  const work = aWork({ courses: [A] })
  record({ work, course: A, result: failed({ ...UNREACHABLE, retryAfterMs: 3_600_000 }) })
  assert.equal(settlement({ work, now: 0, random: () => 0.5, isOpen: true }).dueAt, 0)
})

test('a paused course costs an attempt and waits for the next probe, or for the schedule if that is later', () => {
  const paused = { course: A, since: 0, probeAt: 1_600_000, message: 'The LMS failed (500)' }
  for (const [attempts, dueAt] of [
    [0, 1_600_000],
    [3, 1_600_000],
    [4, 1_000_000 + 1_800_000],
  ] as const) {
    const work = aWork({ courses: [A, B], attempts })
    recordPause({ work, paused })
    const after = settled(work, { [B]: done('enrolled') })
    assert.deepEqual([after.state, after.attempts, after.dueAt], ['queued', attempts + 1, dueAt])
    assert.deepEqual(after.outcome.courses, { [B]: 'enrolled' })
  }
})

test('a course that stays paused for the whole schedule needs attention, with a reason that names it and the LMS’s message', () => {
  const work = aWork({ courses: [A], attempts: RETRY_SCHEDULE_MS.length })
  recordPause({ work, paused: { course: A, since: 0, probeAt: 1_600_000, message: 'The LMS failed (500)' } })
  const { state, outcome } = settled(work, {})
  assert.equal(state, 'needs_attention')
  assert.match(outcome.reason?.subject ?? '', /^course-v1:x\+A\+1 is paused, .*: The LMS failed \(500\)$/)
})

test('the effect of an attempt that was stopped between two calls is unknown, and it costs no attempt', () => {
  const work = aWork({ courses: [A, B] })
  record({ work, course: A, result: done('enrolled') })
  stop(work)
  const { state, outcome, effectUnknown, attempts, dueAt, mayLand } = settled(work, {})
  assert.deepEqual([state, outcome.courses, effectUnknown, attempts], ['queued', { [A]: 'enrolled' }, true, 0])
  assert.deepEqual([dueAt, mayLand], [1_000_000, false])
})

test('a call that was given up, or that a proxy gave up, may land; one that the LMS answered does not', () => {
  for (const [status, mayLand] of [
    [null, true],
    [504, true],
    [500, false],
  ] as const) {
    const work = aWork({ courses: [A, B] })
    const failure = { kind: 'unreachable', status, message: '', retryAfterMs: null, mayHaveTakenEffect: true } as const
    assert.equal(settled(work, { [A]: failed(failure), [B]: done('enrolled') }).mayLand, mayLand)
  }
})

test('a failure counts in whichever of the courses it came up, before or after another one', () => {
  const throttled = failed({ ...UNREACHABLE, kind: 'throttled', retryAfterMs: 58_000 })
  const mayLand = failed({ ...UNREACHABLE, mayHaveTakenEffect: true })
  const inBothOrders = (one: PairResult, other: PairResult) =>
    [
      { [A]: one, [B]: other },
      { [A]: other, [B]: one },
    ].map((results) => settled(aWork({ courses: [A, B], attempts: 1 }), results))
  for (const { attempts, dueAt, effectUnknown } of inBothOrders(unreachable, throttled)) {
    assert.deepEqual([attempts, dueAt, effectUnknown], [1, 1_058_000, false])
  }
  for (const settled of inBothOrders(unreachable, mayLand)) {
    assert.deepEqual([settled.mayLand, settled.effectUnknown], [true, true])
  }
})

test('an unknown effect stays unknown until an attempt ends without a failure, and with all courses in the LMS', () => {
  for (const [result, stays] of [
    [unreachable, true],
    [refused({ code: 'course.missing', subject: A }), true],
    [refused({ code: 'person.unenrolled', subject: A }), false],
    [done('enrolled'), false],
  ] as const) {
    const work = aWork({ courses: [A] })
    work.effectUnknown = true
    assert.equal(settled(work, { [A]: result }).effectUnknown, stays)
  }
})
