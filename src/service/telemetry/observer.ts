import { type BreakerState, isOpen } from '../../enroll/breakers/breaker-state.ts'
import type { CourseReport } from '../../enroll/breakers/course-breakers.ts'
import type { RoundResult } from '../../enroll/follow-up/follow-up.ts'
import type { Call } from '../../lms/client/transport.ts'
import type { Notified } from '../../operators/notify/notifier.ts'
import { COURSE_CHANGED } from '../../queue/outbox/outbox.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import type { SentReport } from '../../shop/events/run-outbox.ts'
import type { ReceivedRefund } from '../../shop/refund/route.ts'
import { isLeaseLost } from '../lib/errors.ts'
import { createFloodLog } from './floods.ts'
import { errorFields, type Log, logEvent } from './log.ts'
import type { Metrics } from './metrics.ts'

interface ObserverParts {
  readonly log: Log
  readonly metrics: Metrics
}

/** Creates the callbacks of the other parts. Each one writes a log line, counts a metric, or both. */
export function createObserver(parts: ObserverParts) {
  return {
    ...observeDeliveries(parts),
    ...observeRequests(parts),
    ...observeLms(parts),
    ...observeReplica(parts),
    ...observeSending(parts),
  }
}
export type Observer = ReturnType<typeof createObserver>

function observeDeliveries({ log, metrics }: ObserverParts) {
  return {
    onEvent: (event: DeliveryEvent): void => {
      logEvent(log, event)
      const { kind, timeToEnrollmentMs, timeToClaimMs } = event
      metrics.events.inc({ kind })
      if (timeToClaimMs !== undefined) metrics.claimSeconds.observe(timeToClaimMs / 1000)
      if (timeToEnrollmentMs !== undefined) metrics.enrollmentSeconds.observe(timeToEnrollmentMs / 1000)
    },
    /** After a round of the follow-up. `events` counts what it found and stored; each has a line of its own. */
    onFollowUp: ({ round, deliveries, events, complete, failure }: RoundResult): void => {
      metrics.rounds.inc({ result: complete ? 'complete' : 'stopped' })
      const fields = { round, deliveries, events, complete }
      if (failure === null) log[events === 0 ? 'debug' : 'info'](fields, 'buyers followed up')
      else log.warn({ ...fields, reason: failure.message }, 'follow-up of buyers failed in part')
    },
    onPurged: ({ deliveries, days }: { deliveries: number; days: number }): void =>
      log.info({ deliveries, days }, 'old deliveries deleted'),
  }
}

function observeRequests({ log, metrics }: ObserverParts) {
  const [webhooks, requests] = [createFloodLog({ of: 'webhooks' }), createFloodLog({ of: 'requests' })]
  let withPrevious = 0
  return {
    /** The status of each answer of the webhook, refusals included. */
    onAnswer: (status: number): void => metrics.answers.inc({ status }),
    onRefundAnswer: (status: number): void => metrics.refunds.inc({ status }),
    /** If there are too many for a line each, the line of the minute counts it, and its own is for debugging. */
    onRefused: (refused: { code: string; status: number; ip: string }): void => {
      log[webhooks.refuse(refused) ? 'debug' : 'info'](refused, 'webhook refused')
      metrics.refused.inc({ reason: refused.code })
    },
    /** The same for a request that is refused before it reaches a route. */
    onRequestRefused: (refused: Parameters<typeof requests.refuse>[0]): void =>
      log[requests.refuse(refused) ? 'debug' : 'info'](refused, 'request refused'),
    /** A signed refund, and what it means. `deliveries`: those that it concerns. */
    onRefund: (refund: ReceivedRefund): void =>
      log[refund.result === 'accepted' || refund.result === 'repeat' ? 'info' : 'warn'](refund, 'refund received'),
    onRefundId: (webhookId: string): void =>
      log.warn({ webhookId }, 'sale refused, because a refund came under the same webhook-id'),
    /** A webhook that was signed with LERNITO_WEBHOOK_SECRET_PREVIOUS. */
    onPreviousSecret: (): void => {
      metrics.previousSecret.inc()
      withPrevious++
    },
    /** Call it once a minute. Reports what would be too much for the log one by one. */
    endMinute: (): void => {
      const floods = [...requests.endMinute(), ...webhooks.endMinute()]
      for (const { address, refused, text } of floods) log.warn({ address, refused }, text)
      if (withPrevious > 0)
        log.warn(
          { webhooks: withPrevious },
          'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS; remove that setting when this warning stops',
        )
      withPrevious = 0
    },
    /** `shortage`: what is too little for all webhooks that arrive. */
    onBusy: (shortage: 'time' | 'memory'): void =>
      log.warn({ shortage }, 'load shedding started; some webhooks are answered 503'),
    /** `refused`: the number of 503 answers since onBusy. */
    onCalm: (refused: number): void => log.warn({ refused }, 'load shedding ended'),
  }
}

function observeLms({ log, metrics }: ObserverParts) {
  return {
    onCall: (call: Call): void => {
      log.debug(call, 'LMS call')
      const { endpoint, method, status, ms } = call
      metrics.calls.inc({ endpoint, method, status: status ?? 'none' })
      metrics.callSeconds.observe({ endpoint }, ms / 1000)
    },
    /** The LMS can't be used, and why, or it can be used again: one line for each change. */
    onBreaker: (state: BreakerState): void => {
      if (!isOpen(state)) log.info('LMS available again; work continues')
      else log.warn({ state: state.kind, reason: state.failure.message }, 'LMS unavailable; deliveries wait')
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
    /** The catalogue of courses stays as it was read before. */
    onCatalogueFailed: (reason: string): void =>
      log.warn({ reason }, 'courses of the LMS could not be read; the catalogue stays as it is'),
  }
}

function observeReplica({ log }: ObserverParts) {
  return {
    /** `reason`: why the database is unavailable; null if it is available. */
    onDatabase: (reason: string | null): void => {
      if (reason === null) log.info('database available')
      else log.error({ reason }, 'database unavailable; webhooks are refused')
    },
    /** How many replicas were pruned. */
    onPruned: (replicas: number): void =>
      log.warn({ replicas }, 'a replica fell silent; the others take over its deliveries'),
    onError: (error: unknown): void => {
      // After a lost lease, another replica attempts the deliveries, so the work itself is not at fault.
      if (isLeaseLost(error)) log.warn(error.message)
      else log.error(errorFields(error), 'unexpected error; the work is retried')
    },
  }
}

/** Who answers chooses the status, so the label has only its class. */
const statusClass = (status: number | null): string => (status === null ? 'none' : `${Math.floor(status / 100)}xx`)

/** Attempts to send something: a log line and a metric for each. */
function observeSending({ log, metrics }: ObserverParts) {
  return {
    /** An event for the shop. */
    onEventSent: ({ event: { id, about, type }, posted, ms, attempts, retryAt, change }: SentReport): void => {
      metrics.sent.inc({ status: statusClass(posted.status) })
      const fields = {
        ...(type === COURSE_CHANGED ? { course: about } : { delivery: about }),
        eventId: id,
        type,
        status: posted.status,
        ms,
        attempts,
      }
      if (posted.kind === 'sent') log.info(fields, 'event sent to the shop')
      else if (retryAt === null) log.error({ ...fields, reason: posted.message }, 'gave up on an event for the shop')
      else {
        const next = posted.kind === 'gone' ? {} : { retryAt: new Date(retryAt).toISOString() }
        log.warn({ ...fields, reason: posted.message, ...next }, 'event for the shop failed; it waits to be sent again')
      }
      if (change !== null) logChange(log, change)
    },
    /** A text for operators. */
    onNotified: ({ posted, causes, retryInMs }: Notified): void => {
      metrics.notified.inc({ status: statusClass(posted.status) })
      const fields = { status: posted.status, causes }
      if (posted.ok) log.info(fields, 'notification sent')
      else log.warn({ ...fields, reason: posted.message, retryInMs }, 'notification failed; the service sends it again')
    },
  }
}

function logChange(log: Log, { state, reason }: NonNullable<SentReport['change']>): void {
  if (state === 'up') log.info("the shop's endpoint accepts events again")
  else if (state === 'down') log.warn({ reason }, "the shop's endpoint fails; events wait")
  else log.error({ reason }, "the shop's endpoint answered 410 Gone; it gets no events until an operator resends some")
}
