import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Problem, problemsOf } from '../../src/console/pages/overview/problems.ts'
import { type BreakerState, CLOSED } from '../../src/enroll/breakers/breaker-state.ts'
import type { PausedCourse } from '../../src/enroll/breakers/course-breakers.ts'
import type { EndpointState, OutboxHealth } from '../../src/operators/reports/outbox.ts'
import type { Overview } from '../../src/operators/reports/overview.ts'
import type { RefusedSender, SendersView } from '../../src/shop/senders/view.ts'

const now = Date.UTC(2026, 10, 24, 12)
const MINUTE_MS = 60_000
const quiet: Overview = {
  pace: null,
  oldestQueued: null,
  oldestWithdrawal: null,
  failedWithdrawals: [],
  isUnused: false,
}
const open = (kind: 'down' | 'throttled' | 'misconfigured'): BreakerState => ({
  kind,
  since: now - 90 * MINUTE_MS,
  probeAt: now + MINUTE_MS,
  failedProbes: 0,
  relapses: 0,
  failure: {
    kind: 'server_error',
    message: 'The reason',
    retryAfterMs: null,
    mayHaveTakenEffect: false,
  },
})
const waitingSince = (minutes: number): Partial<Overview> => ({
  oldestQueued: { id: 'ID', receivedAt: now - minutes * MINUTE_MS },
})
const HOUR_MS = 60 * MINUTE_MS
const cause = (code: string, count = 9, lastAt = now - MINUTE_MS): RefusedSender['causes'][number] => ({
  code,
  count,
  firstAt: now - HOUR_MS,
  lastAt,
  lately: count,
})
const sender = (of: Partial<RefusedSender>): RefusedSender => ({
  address: '192.0.2.1',
  causes: [cause('signature')],
  signedAt: null,
  ...of,
})
const look = (of: {
  databaseReason?: string
  overview?: Partial<Overview>
  breaker?: BreakerState
  pausedCourses?: readonly PausedCourse[]
  budget?: number
  refusedSenders?: readonly RefusedSender[]
  idsReused?: SendersView['idsReused']
  events?: OutboxHealth
  outageEndedAt?: number
}): Problem[] =>
  problemsOf({
    databaseReason: of.databaseReason ?? null,
    overview: { ...quiet, ...of.overview },
    queued: of.overview?.oldestQueued ? 7 : 0,
    breaker: of.breaker ?? CLOSED,
    pausedCourses: of.pausedCourses ?? [],
    budget: of.budget ?? 1,
    senders: { refused: of.refusedSenders ?? [], idsReused: of.idsReused ?? null },
    events: of.events ?? null,
    outageEndedAt: of.outageEndedAt ?? null,
    now,
  })
const titles = (problems: readonly Problem[]): string[] => problems.map(({ title }) => title)

test('there is no problem while the LMS answers and no delivery waits for long', () => {
  assert.deepEqual(look({}), [])
  assert.deepEqual(look({ overview: waitingSince(9) }), [])
  assert.deepEqual(look({ budget: 0 }), [])
})

test('an LMS that is down, throttled, or misconfigured is a problem with its duration and cause', () => {
  const problems = (['down', 'throttled', 'misconfigured'] as const).map((kind) => look({ breaker: open(kind) })[0])
  assert.deepEqual(
    problems.map((problem) => problem?.grade),
    ['bad', 'warning', 'bad'],
  )
  for (const problem of problems) {
    assert.match(problem?.title ?? '', /1 h 30 min$/)
    assert.match(problem?.text ?? '', /^The reason\. /)
  }
})

const pausedCourse = (course: string, nextMinutes: number): PausedCourse => ({
  course,
  since: now - 25 * MINUTE_MS,
  probeAt: now + nextMinutes * MINUTE_MS,
  message: 'The LMS failed (500)',
})

test('a paused course is named with its duration, cause, and next attempt, and links to its waiting deliveries', () => {
  const course = 'course-v1:Lernito+PY101+2026'
  const [soon, passed] = look({ pausedCourses: [pausedCourse(course, 4), pausedCourse(course, -1)] })
  assert.equal(soon?.title, `Enrollment in ${course} has been failing for 25 min`)
  assert.match(soon?.text ?? '', /^The LMS failed \(500\)\. .* the next attempt is in 4 min\./)
  assert.match(passed?.text ?? '', /the service attempts the next one at once/)
  assert.equal(soon?.path, '/deliveries?q=course-v1%3ALernito%2BPY101%2B2026&state=queued')
})

test('five paused courses are named, and the others are counted', () => {
  const problems = look({ pausedCourses: Array.from({ length: 9 }, (_, i) => pausedCourse(`course-v1:a+${i}+c`, 1)) })
  assert.equal(problems.length, 6)
  assert.equal(problems.at(-1)?.title, 'Enrollment is failing in 4 more courses')
})

test('a failed withdrawal is a problem with its result, which begins no sentence, and its delivery; five are named, and the others are counted', () => {
  const failed = (isRefund: boolean) => ({ deliveryId: 'ID', by: 'alice', isRefund, result: 'course-v1:a+b+c: kept' })
  const of = (...failedWithdrawals: ReturnType<typeof failed>[]): Problem[] => look({ overview: { failedWithdrawals } })
  const [refund, order] = of(failed(true), failed(false))
  assert.deepEqual([refund?.title, refund?.path], ['A withdrawal failed', '/deliveries/ID'])
  assert.match(
    refund?.text ?? '',
    /^The shop sent a refund\. What came of it: course-v1:a\+b\+c: kept\. The buyer may still have/,
  )
  assert.match(order?.text ?? '', /^alice requested it\. What came of it: course-v1/)
  const many = of(...Array.from({ length: 8 }, () => failed(true)))
  assert.deepEqual([many.length, many.at(-1)?.title], [6, '3 more withdrawals failed'])
})

test('a shop that reuses webhook-ids is a problem for two days after the last case', () => {
  const of = (lastAt: number): Problem[] => look({ idsReused: { count: 7, firstAt: 0, lastAt } })
  assert.match(of(now - 47 * HOUR_MS)[0]?.text ?? '', /^7 sales were not processed, because the shop sent each under/)
  assert.deepEqual(of(now - 48 * HOUR_MS), [])
})

test('a long wait is a problem, unless the LMS or the call budget explains it', () => {
  const overview = waitingSince(11)
  assert.deepEqual(titles(look({ overview })), ['A delivery has been queued for 11 min'])
  assert.equal(look({ overview })[0]?.path, '/deliveries/ID')
  assert.deepEqual(titles(look({ overview, budget: 0.01 })), ['The call budget is used up'])
  assert.deepEqual(titles(look({ overview, breaker: open('down') })), ['LMS down for 1 h 30 min'])
})

test('a withdrawal that waits long is a problem too, unless the LMS explains it', () => {
  const waiting = (minutes: number) => ({ oldestWithdrawal: { id: 'ID', requestedAt: now - minutes * MINUTE_MS } })
  const [problem, ...others] = look({ overview: waiting(11) })
  assert.deepEqual([problem?.title, others], ['A withdrawal has been waiting for 11 min', []])
  assert.equal(problem?.path, '/deliveries/ID')
  assert.deepEqual(look({ overview: waiting(10) }), [])
  assert.deepEqual(titles(look({ overview: waiting(11), breaker: open('down') })), ['LMS down for 1 h 30 min'])
})

test('a sale that waited for an outage is not said to fail before it has had time since', () => {
  const overview = waitingSince(90)
  assert.deepEqual(look({ overview, outageEndedAt: now - 9 * MINUTE_MS }), [])
  assert.deepEqual(titles(look({ overview, outageEndedAt: now - 11 * MINUTE_MS })), [
    'A delivery has been queued for 1 h 30 min',
  ])
})

test('several wrong signatures are a problem, with the time in which they came; few, old, or other refusals are not', () => {
  const [problem] = look({
    refusedSenders: [sender({ causes: [cause('json', 50)] }), sender({ address: '198.51.100.7' })],
  })
  assert.equal(problem?.path, '/refused')
  assert.match(problem?.text ?? '', /^9 from 198\.51\.100\.7 within 59 min, the last 1 min ago\./)
  const old = { ...cause('signature', 6), firstAt: now - 300 * 24 * HOUR_MS }
  const [late] = look({ refusedSenders: [sender({ causes: [old] })] })
  assert.match(late?.text ?? '', /^6 from 192\.0\.2\.1 within 299 d 23 h, the last 1 min ago\./)
  assert.deepEqual(look({ refusedSenders: [sender({ causes: [cause('signature', 4)] })] }), [])
  assert.deepEqual(look({ refusedSenders: [sender({ causes: [{ ...old, lately: 4 }] })] }), [])
  assert.deepEqual(look({ refusedSenders: [sender({ causes: [cause('signature', 9, now - HOUR_MS)] })] }), [])
})

test('wrong signatures are no problem any more once the same sender has signed rightly again', () => {
  const of = (signedAt: number) => titles(look({ refusedSenders: [sender({ signedAt })] }))
  assert.deepEqual(of(now - 2 * MINUTE_MS), ['Webhooks came with a wrong signature'])
  assert.deepEqual(of(now - MINUTE_MS / 2), [])
})

test('the most serious problem comes first', () => {
  const all = look({
    overview: waitingSince(60),
    breaker: open('down'),
    refusedSenders: [sender({})],
  })
  assert.deepEqual(titles(all), ['LMS down for 1 h 30 min', 'Webhooks came with a wrong signature'])
})

test('events that the shop does not get are a problem: a failing endpoint, events given up, or a long wait', () => {
  const up: EndpointState = {
    state: 'up',
    failures: 0,
    since: null,
    probeAt: null,
    error: null,
    errorAt: null,
    sentAt: now,
  }
  const health = (of: Partial<OutboxHealth>): OutboxHealth => ({
    ...{ pending: 53, failed: 0, oldestAt: now - MINUTE_MS, endpoint: up },
    ...of,
  })
  assert.deepEqual(look({ events: health({}) }), [], 'new ones')
  const broken: readonly (readonly [Partial<OutboxHealth>, RegExp])[] = [
    [{ endpoint: { ...up, state: 'down', error: 'it answered 401' } }, /it answered 401\. Events that wait: 53/],
    [{ endpoint: { ...up, state: 'gone' } }, /410 Gone/],
    [{ failed: 2 }, /given up after three days: 2\./],
    [{ failed: 10_000 }, /given up after three days: 10,000\+\./],
    [{ pending: 10_000, endpoint: { ...up, state: 'gone' }, failed: 2 }, /Events that wait: 10,002\+\./],
    [{ oldestAt: now - 11 * MINUTE_MS }, /the oldest for 11 min/],
  ]
  for (const [of, words] of broken) {
    const [problem, ...more] = look({ events: health(of) })
    assert.match(problem?.text ?? '', words)
    assert.deepEqual([problem?.grade, problem?.path, more], ['bad', '/events', []])
  }
})
