import { nextAttemptAt } from '../queue/retry-schedule.ts'
import { isSameCourse } from '../sale/course-key.ts'
import { courseOfReason, type Outcome, type Reason, type Settlement } from '../sale/types.ts'
import { describeOutcome, reasonText } from '../sale/words.ts'
import { BLOCKED_ATTEMPTS, costsNoAttempt } from './breakers/breaker-state.ts'
import type { Work } from './work.ts'

interface Attempt {
  readonly work: Work
  /** ms since 1970 */
  readonly now: number
  readonly random: () => number
  /** Whether the circuit breaker of the LMS is open. */
  readonly isOpen?: boolean
}

/**
 * The result of an attempt for its delivery. A failure is retried on the schedule, even if the
 * LMS has refused another of the courses. The sender gets that refusal at once, because no retry can change it, and the
 * delivery shows it while the rest is tried again. A failure of the LMS as
 * a whole costs no attempt: throttled, misconfigured, and any failure while the circuit breaker is open. A paused
 * course costs an attempt, as its call would: the pause doesn't extend the schedule. A sale that something blocks isn't
 * retried for days: waiting doesn't change the rules of a firewall.
 */
export function settlement(attempt: Attempt): Settlement {
  const { work } = attempt
  const settled = settlementOf(attempt)
  return {
    ...settled,
    ...(work.accounts.size === 0 ? {} : { accounts: Object.fromEntries(work.accounts) }),
    ...(work.gave.size === 0 ? {} : { gave: Object.fromEntries(work.gave) }),
    ...(work.modesBefore.size === 0 ? {} : { modesBefore: Object.fromEntries(work.modesBefore) }),
    detail: settled.detail + describeBatches(work),
    calls: work.calls,
    mayLand: work.mayLand,
  }
}

/** The id with which the LMS's audit (ManualEnrollmentAudit) names the calls of the attempt. */
function describeBatches({ batches }: Work): string {
  if (batches.length === 0) return ''
  return ` (${batches.length === 1 ? 'batch' : 'batches'} ${batches.join(', ')})`
}

function settlementOf({ work, now, random, isOpen = false }: Attempt): Settlement {
  const { delivery, done, failures } = work
  const courses = Object.fromEntries(done)
  const [failure] = failures
  // An effect that was unknown before stays unknown until an attempt ends without a failure. If a course is gone, nobody
  // looks what the buyer has, there or elsewhere.
  const isGone = work.reasons.some(({ code }) => code === 'course.missing')
  const staysUnknown = work.effectUnknown && (failures.length > 0 || isGone)
  const effectUnknown = staysUnknown || failures.some(({ mayHaveTakenEffect }) => mayHaveTakenEffect)
  const base = { id: delivery.id, generation: delivery.generation, effectUnknown, attempts: delivery.attempts }
  const reasons = inOrder(work)
  const outcome = { courses, reason: reasons[0] ?? null }
  // A course that was done despite a reason, such as a missing mode, is attempted again: else the reason would be forgotten.
  const clear = [...done].filter(([course]) => !reasons.some((reason) => courseOfReason(reason) === course))
  const again = {
    ...base,
    readsFirst: delivery.readsFirst || clear.length < done.size,
    outcome: { ...outcome, courses: Object.fromEntries(clear) },
  }
  if (work.stopped) return { ...again, effectUnknown: true, dueAt: now, detail: 'stopped between two calls' }
  if (failure === undefined) return final(base, outcome, reasons)
  const free = failures.find(({ kind }) => costsNoAttempt(kind)) ?? (isOpen ? failure : undefined)
  if (free !== undefined) {
    // The inbox has its pause during an outage, and may go on through a short throttle.
    const waitMs = free.kind === 'throttled' || free.kind === 'waits' ? (free.retryAfterMs ?? 0) : 0
    return { ...again, dueAt: now + waitMs, detail: `no attempt counted: ${free.message}` }
  }
  const attempts = delivery.attempts + 1
  const { message: subject, course } = failure
  const about = { subject, ...(course === undefined ? {} : { course }) }
  if (attempts >= BLOCKED_ATTEMPTS && failures.every(({ kind }) => kind === 'blocked')) {
    return final({ ...base, attempts }, { courses, reason: { code: 'lms.blocked', ...about } })
  }
  const dueAt = nextAttemptAt({ failures: attempts, now, random })
  if (dueAt === null) {
    return final({ ...base, attempts }, { courses, reason: { code: 'retries.exhausted', ...about } })
  }
  return {
    ...again,
    attempts,
    dueAt: Math.max(dueAt, work.pausedUntil ?? 0),
    detail: `attempt ${attempts}: ${failure.message}`,
  }
}

/**
 * The reasons, that which the sender is told first: of the courses, the first one as the sale names them decides, whatever
 * the order of the calls was. One that is about no course concerns the person, and comes before.
 */
function inOrder({ reasons, request }: Work): Reason[] {
  const place = (reason: Reason): number => {
    const course = courseOfReason(reason)
    return course === null ? -1 : request.courseIds.findIndex((sent) => isSameCourse(sent, course))
  }
  return reasons.toSorted((a, b) => place(a) - place(b))
}

/**
 * A result after which no attempt follows.
 * @param reasons all reasons: those after the first, which the outcome has, only the timeline tells
 */
const final = (
  base: Pick<Settlement, 'id' | 'generation' | 'effectUnknown' | 'attempts'>,
  outcome: Outcome,
  reasons: readonly Reason[] = [],
): Settlement => {
  const [, ...further] = new Set(reasons.map(reasonText)) // one about the person came up in each course
  const detail = [describeOutcome(outcome), ...further].join('; ')
  return { ...base, outcome, dueAt: null, detail }
}
