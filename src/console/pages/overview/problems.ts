import { type BreakerState, isOpen } from '../../../enroll/breakers/breaker-state.ts'
import type { PausedCourse } from '../../../enroll/breakers/course-breakers.ts'
import { isFailing, type OutboxHealth } from '../../../operators/reports/outbox.ts'
import type { Overview } from '../../../operators/reports/overview.ts'
import { type SendersView, wrongNow } from '../../../shop/senders/view.ts'
import { durationText, fillCount, numberText, unsentText } from '../../layout/format.ts'
import { fill, fillBoth, TEXTS } from '../../layout/texts.ts'
import { queryText } from '../deliveries/list-filters.ts'

const words = TEXTS.problems

/** A problem that an operator needs to know about, and what to do. */
export interface Problem {
  /** The same while it lasts. */
  readonly id: string
  readonly grade: 'bad' | 'warning'
  readonly title: string
  readonly text: string
  /** The page of the console to continue on, if there is one, without the console's base; and what to do there. */
  readonly path?: string
  readonly action?: string
}

/** A delivery or a withdrawal that waits this long although the LMS answers is a problem: ms. */
const LONG_WAIT_MS = 10 * 60_000
/** Below this share of unused calls, the call budget counts as used up. */
const BUDGET_EMPTY = 0.05
/** For how long after the last one the page says that the shop reuses webhook-ids. */
const REUSED_MS = 48 * 60 * 60_000
/** At most this many paused courses are named, which then have a common cause, and withdrawals. The others are counted. */
const NAMED_MAX = 5

/** What shows whether something is wrong. Times are ms since 1970. */
interface Facts {
  /** Why the database can't be used now; null if it can. */
  readonly databaseReason: string | null
  readonly overview: Overview
  readonly queued: number
  readonly breaker: BreakerState
  /** The longest paused first. */
  readonly pausedCourses: readonly PausedCourse[]
  readonly budget: number
  readonly senders: Pick<SendersView, 'refused' | 'idsReused'>
  /** null: the shop gets no events. */
  readonly events: OutboxHealth | null
  /** When the last incident ended; null: none has. */
  readonly outageEndedAt: number | null
  readonly now: number
}

/** Returns what is wrong, the most serious first; empty if nothing is wrong. */
export function problemsOf(of: Facts): Problem[] {
  const { databaseReason, breaker, pausedCourses, overview, senders, events, now } = of
  return [
    ...databaseProblems(databaseReason),
    ...breakerProblems(breaker, now),
    ...courseProblems(pausedCourses, now),
    ...(isOpen(breaker) ? [] : waitingProblems(of)),
    ...withdrawalProblems(overview),
    ...eventProblems(events, now),
    ...signatureProblems(senders, now),
    ...reusedIdProblems(senders, now),
  ]
}

/** What is in a file can be read while it is locked or its disk is full, so this page opens, and webhooks are refused. */
function databaseProblems(reason: string | null): Problem[] {
  return reason === null ? [] : [{ id: 'database', grade: 'bad', ...fillBoth(words.database, { reason }) }]
}

function breakerProblems(breaker: BreakerState, now: number): Problem[] {
  if (!isOpen(breaker)) return []
  const text = fillBoth(words.breaker[breaker.kind], {
    since: durationText(now - breaker.since),
    reason: breaker.failure.message,
  })
  const id = breaker.kind
  if (id === 'throttled') return [{ id, grade: 'warning', ...text }]
  // Doctor tells causes apart that the circuit breaker can't, and has the command that fixes each.
  return [{ id, grade: 'bad', ...text, path: '/setup', action: TEXTS.checks.run }]
}

function courseProblems(paused: readonly PausedCourse[], now: number): Problem[] {
  const named = paused.slice(0, NAMED_MAX).map(({ course, since, probeAt, message }): Problem => {
    const wait = Math.max(0, probeAt - now)
    const next = wait === 0 ? words.nextDelivery : fill(words.nextIn, { wait: durationText(wait) })
    const text = fillBoth(words.course, {
      course,
      since: durationText(Math.max(0, now - since)),
      reason: message,
      next,
    })
    const path = `/deliveries${queryText({ q: course, state: 'queued' })}`
    return { id: `course-${course}`, grade: 'bad', ...text, path, action: words.viewAll }
  })
  const more = paused.length - named.length
  const others = fillBoth(words.moreCourses, { count: numberText(more) })
  return more === 0 ? named : [...named, { id: 'more-courses', grade: 'bad', ...others }]
}

/**
 * While the LMS answers: either the call budget explains the wait, or a delivery or a withdrawal waits too long. What waited
 * for an outage needs some time after it.
 */
function waitingProblems(facts: Facts): Problem[] {
  const { overview, queued, budget } = facts
  if (budget < BUDGET_EMPTY && queued > 0) {
    const text = fillBoth(words.budget, { queued: numberText(queued) })
    return [{ id: 'budget', grade: 'warning', ...text }]
  }
  const { oldestQueued: sale, oldestWithdrawal: order } = overview
  return [
    ...(sale === null ? [] : lateProblem(facts, { id: 'queued', delivery: sale.id, since: sale.receivedAt })),
    ...(order === null ? [] : lateProblem(facts, { id: 'withdrawing', delivery: order.id, since: order.requestedAt })),
  ]
}

function lateProblem(
  { outageEndedAt, now }: Facts,
  { id, delivery, since }: { id: 'queued' | 'withdrawing'; delivery: string; since: number },
): Problem[] {
  const waits = now - since
  if (Math.min(waits, now - (outageEndedAt ?? 0)) <= LONG_WAIT_MS) return []
  const text = fillBoth(words.late[id], { waits: durationText(waits) })
  return [{ id, grade: 'warning', ...text, path: `/deliveries/${delivery}`, action: words.viewOne }]
}

/** Money was paid back, or an operator wanted it, and the buyer may still be in the course. */
function withdrawalProblems({ failedWithdrawals }: Overview): Problem[] {
  const named = failedWithdrawals.slice(0, NAMED_MAX).map(({ deliveryId, by, isRefund, result }): Problem => {
    const who = isRefund ? words.withdrawal.refund : fill(words.withdrawal.operator, { by })
    const text = { title: words.withdrawal.title, text: fill(words.withdrawal.text, { who, result }) }
    return { id: deliveryId, grade: 'bad', ...text, path: `/deliveries/${deliveryId}`, action: words.viewOne }
  })
  const more = failedWithdrawals.length - named.length
  const others = fillBoth(words.moreWithdrawals, { count: numberText(more) })
  return more === 0 ? named : [...named, { id: 'more-withdrawals', grade: 'bad', ...others }]
}

/** The shop's buyers and its own books wait for what the service has to tell. */
function eventProblems(events: OutboxHealth | null, now: number): Problem[] {
  if (events === null || !isFailing(events, now)) return []
  const { endpoint, pending, failed, oldestAt } = events
  const count = unsentText(pending, failed)
  const { title } = words.events
  const text =
    endpoint?.state === 'down'
      ? fill(words.events.down, { count, error: (endpoint.error ?? '').replace(/\.$/, '') })
      : endpoint?.state === 'gone'
        ? fill(words.events.gone, { count })
        : failed > 0
          ? fill(words.events.failed, { count: unsentText(failed) })
          : fill(words.events.late, { count, waits: durationText(now - (oldestAt ?? now)) })
  return [{ id: 'events', grade: 'bad', title, text, path: '/events', action: words.openEvents }]
}

function signatureProblems({ refused }: Pick<SendersView, 'refused'>, now: number): Problem[] {
  const wrong = wrongNow(refused, now)
  if (wrong === null) return []
  const { address, count, firstAt, lastAt } = wrong
  const [span, ago] = [durationText(lastAt - firstAt), durationText(Math.max(0, now - lastAt))]
  const text = fillBoth(words.refused, { count: numberText(count), address, span, ago })
  return [{ id: 'refused', grade: 'warning', ...text, path: '/refused', action: words.viewRefused }]
}

/** Their buyers have paid, and nothing is stored: see decision 23. */
function reusedIdProblems({ idsReused }: Pick<SendersView, 'idsReused'>, now: number): Problem[] {
  if (idsReused === null || idsReused.lastAt <= now - REUSED_MS) return []
  const { title } = words.idReused
  return [{ id: 'reused-ids', grade: 'bad', title, text: fillCount(words.idReused.text, idsReused.count) }]
}
