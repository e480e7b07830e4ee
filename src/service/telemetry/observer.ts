import type { BreakerReport } from '../../operators/notify/outage.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import { isLeaseLost } from '../lib/errors.ts'
import { errorFields, type Log, logEvent } from './log.ts'
import type { LmsCall, Metrics } from './metrics.ts'
import { observeOutbox } from './outbox.ts'

/** Whether the LMS fails for a course or works for it again; see src/enroll/breakers/course-breakers.ts. */
export type CourseReport =
  | { readonly kind: 'works'; readonly course: string }
  | { readonly kind: 'paused'; readonly course: string; readonly probeAt: number; readonly message: string }

/** A round of the follow-up; see src/enroll/follow-up/follow-up.ts. */
export interface FollowUpReport {
  readonly deliveries: number
  readonly events: number
  readonly complete: boolean
  readonly reason: string | null
}

interface ObserverParts {
  readonly log: Log
  readonly metrics: Metrics
  /** Takes each change of the circuit breaker for the notifications; null if there are none. */
  readonly outages: { onBreaker(report: BreakerReport): void } | null
  /** In ms since 1970. */
  readonly now: () => number
}

/** Creates the callbacks of the other rooms. Each one writes a log line, counts a metric, or both. */
export function createObserver(parts: ObserverParts) {
  return {
    ...observeDeliveries(parts),
    ...observeRequests(parts),
    ...observeLms(parts),
    ...observeReplica(parts),
    onEventSent: observeOutbox(parts),
    onNotified: observeNotifications(parts),
  }
}
export type Observer = ReturnType<typeof createObserver>

function observeDeliveries({ log, metrics }: ObserverParts) {
  return {
    onEvent: (event: DeliveryEvent): void => {
      logEvent(log, event)
      metrics.onEvent(event)
    },
    /**
     * After a round of the follow-up. `events` counts what it found and stored; each has a line of its own. `reason`: the
     * failure of a call; null if there was none.
     */
    onFollowUp: ({ reason, complete, ...fields }: FollowUpReport): void => {
      metrics.onFollowUp({ complete })
      if (reason !== null) log.warn({ ...fields, complete, reason }, 'follow-up of pre-enrolled buyers failed in part')
      else log[fields.events === 0 ? 'debug' : 'info']({ ...fields, complete }, 'pre-enrolled buyers followed up')
    },
    onPurged: ({ deliveries, days }: { deliveries: number; days: number }): void =>
      log.info({ deliveries, days }, 'old deliveries deleted'),
  }
}

function observeRequests({ log, metrics, now }: ObserverParts) {
  const warn = warnOfPreviousSecret({ log, now })
  return {
    /** `isFlood`: there are too many for a line each. The line of onFlood counts it, and its own is for debugging. */
    onRefused: (refused: { code: string; status: number; ip: string }, isFlood: boolean): void => {
      log[isFlood ? 'debug' : 'info'](refused, 'webhook refused')
      metrics.onRefused(refused.code)
    },
    /** The same for a request that is refused before it reaches a route. */
    onRequestRefused: (refused: object, isFlood: boolean): void =>
      log[isFlood ? 'debug' : 'info'](refused, 'request refused'),
    /** A signed refund, and what it means. `deliveries`: those that it concerns. */
    onRefund: (refund: { result: string; deliveries: readonly string[]; courses: number }): void =>
      log[refund.result === 'accepted' || refund.result === 'repeat' ? 'info' : 'warn'](refund, 'refund received'),
    onRefundId: (webhookId: string): void =>
      log.warn({ webhookId }, 'sale refused; its webhook-id is that of a refund'),
    onPreviousSecret: (): void => {
      metrics.onPreviousSecret()
      warn()
    },
    onFlood: ({ address, refused, text }: { address: string | null; refused: number; text: string }): void =>
      log.warn({ address, refused }, text),
    /** `shortage`: what is too little for all webhooks that arrive. */
    onBusy: (shortage: 'time' | 'memory'): void =>
      log.warn({ shortage }, 'load shedding started; some webhooks are answered 503'),
    /** `refused`: the number of 503 answers since onBusy. */
    onCalm: (refused: number): void => log.warn({ refused }, 'load shedding ended'),
  }
}

function observeLms({ log, metrics, outages }: ObserverParts) {
  return {
    onCall: (call: LmsCall): void => {
      log.debug(call, 'LMS call')
      metrics.onCall(call)
    },
    /** The LMS can't be used, and why, or it can be used again: one line for each change. */
    onBreaker: (report: BreakerReport): void => {
      outages?.onBreaker(report)
      if (!('since' in report)) log.info('LMS available again; work continues')
      else log.warn({ state: report.kind, reason: report.failure.message }, 'LMS unavailable; deliveries wait')
    },
    /** One line for each change. `probeAt` is in ms since 1970. */
    onCourse: (report: CourseReport): void => {
      const { course } = report
      if (report.kind === 'works') {
        log.info({ course }, 'LMS works for the course again; its deliveries are retried')
        return
      }
      const fields = { course, reason: report.message, probeAt: new Date(report.probeAt).toISOString() }
      log.warn(fields, 'LMS fails for everyone in a course; its deliveries wait')
    },
  }
}

function observeReplica({ log }: ObserverParts) {
  return {
    /** `reason`: why the database is unavailable; null if it is available. */
    onDatabase: (reason: string | null): void => {
      if (reason === null) log.info('database available')
      else log.error({ reason }, 'database unavailable; webhooks are refused')
    },
    /** The number of deliveries that pruned replicas had claimed. */
    onReleased: (deliveries: number): void =>
      log.warn({ deliveries }, 'silent replica pruned; its deliveries are released'),
    onError: (error: unknown): void => {
      // After a lost lease, another replica can claim the deliveries, so the work itself is not at fault.
      if (isLeaseLost(error)) log.warn(error.message)
      else log.error(errorFields(error), 'unexpected error; the work is retried')
    },
  }
}

const EVERY_MS = 60_000

/**
 * Returns the function to call for each webhook that was signed with LERNITO_WEBHOOK_SECRET_PREVIOUS. It warns at most
 * once a minute, so that the operator can see when the shop has switched to the current secret.
 */
function warnOfPreviousSecret({ log, now }: { log: Log; now: () => number }): () => void {
  let webhooks = 0
  let warnedAt = Number.NEGATIVE_INFINITY
  return () => {
    webhooks++
    if (now() - warnedAt < EVERY_MS) return
    warnedAt = now()
    log.warn(
      { webhooks },
      'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS; remove that setting when this warning stops',
    )
    webhooks = 0
  }
}

/** An attempt to send a text to operators; see src/operators/notify/notifier.ts. */
export interface NotificationReport {
  readonly posted:
    | { readonly ok: true; readonly status: number }
    | { readonly ok: false; readonly status: number | null; readonly message: string }
  /** How many causes the text tells of. */
  readonly causes: number
  /** The pause before the next attempt, ms; null if the text arrived. */
  readonly retryInMs: number | null
}

/** Returns the callback for attempts to send a text to operators: a log line and a metric for each. */
function observeNotifications({ log, metrics }: { log: Log; metrics: Pick<Metrics, 'onNotified'> }) {
  return ({ posted, causes, retryInMs }: NotificationReport): void => {
    metrics.onNotified(posted.status)
    const fields = { status: posted.status, causes }
    if (posted.ok) log.info(fields, 'notification sent')
    else log.warn({ ...fields, reason: posted.message, retryInMs }, 'notification failed; the service sends it again')
  }
}
