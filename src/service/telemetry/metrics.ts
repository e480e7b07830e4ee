import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { BreakerState } from '../../enroll/breakers/breaker-state.ts'
import type { Budget } from '../../lms/client/budget.ts'
import type { Call } from '../../lms/client/transport.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { DELIVERY_STATES, type DeliveryEvent } from '../../sale/types.ts'

/** From one call to a fast LMS to a backlog of one day. */
const ENROLLMENT_SECONDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600]
/** From an hour to a quarter: a buyer registers when they want the course. */
const CLAIM_SECONDS = [1, 24, 3 * 24, 7 * 24, 30 * 24, 90 * 24].map((hours) => hours * 3600)
const FINAL_STATES = DELIVERY_STATES.filter((state) => state !== 'queued')
const CALL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30]

const BREAKER_STATES = [
  'closed',
  'half_open',
  'down',
  'throttled',
  'misconfigured',
] as const satisfies readonly BreakerState['kind'][]
/** Scrapes read the database at most once in this time. */
const BACKLOG_MS = 5_000

/**
 * Creates the counters for Prometheus, those of this process; addGauges adds the current state. Every label has a few fixed
 * values, and no sender can choose one.
 */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const { answers, refunds, refused, previousSecret } = webhookMetrics(registry)
  const { events, enrollmentSeconds, claimSeconds, rounds } = deliveryMetrics(registry)
  const { calls, callSeconds } = lmsMetrics(registry)
  const { sent, notified } = sendingMetrics(registry)

  return {
    registry,
    onAnswer: (status: number): void => answers.inc({ status }),
    onRefundAnswer: (status: number): void => refunds.inc({ status }),
    onRefused: (reason: string): void => refused.inc({ reason }),
    onPreviousSecret: (): void => previousSecret.inc(),
    onEvent: ({ kind, timeToEnrollmentMs, timeToClaimMs }: DeliveryEvent): void => {
      events.inc({ kind })
      if (timeToClaimMs !== undefined) claimSeconds.observe(timeToClaimMs / 1000)
      if (timeToEnrollmentMs !== undefined) enrollmentSeconds.observe(timeToEnrollmentMs / 1000)
    },
    onFollowUp: ({ complete }: { complete: boolean }): void =>
      rounds.inc({ result: complete ? 'complete' : 'stopped' }),
    onEventSent: (status: number | null): void => sent.inc({ status: statusClass(status) }),
    onNotified: (status: number | null): void => notified.inc({ status: statusClass(status) }),
    onCall: ({ endpoint, method, status, ms }: Call): void => {
      calls.inc({ endpoint, method, status: status ?? 'none' })
      callSeconds.observe({ endpoint }, ms / 1000)
    },
  }
}
export type Metrics = ReturnType<typeof createMetrics>

/** Who answers chooses the status, so the label has only its class. */
const statusClass = (status: number | null): string => (status === null ? 'none' : `${Math.floor(status / 100)}xx`)

/** Returns the function that adds a counter to the registry. */
const countersOf =
  (registry: Registry) =>
  <Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Counter<Label> =>
    new Counter({ name, help, labelNames, registers: [registry] })

function webhookMetrics(registry: Registry) {
  const counter = countersOf(registry)
  return {
    answers: counter('lernito_webhook_answers_total', 'Requests to the webhook, by the status of the answer.', [
      'status',
    ]),
    refunds: counter('lernito_refund_answers_total', 'Requests for a refund, by the status of the answer.', ['status']),
    refused: counter('lernito_webhook_refused_total', 'Webhooks that were refused without being stored, by reason.', [
      'reason',
    ]),
    previousSecret: counter(
      'lernito_webhook_previous_secret_total',
      'Webhooks that were signed with LERNITO_WEBHOOK_SECRET_PREVIOUS.',
    ),
  }
}

function deliveryMetrics(registry: Registry) {
  const counter = countersOf(registry)
  const events = counter(
    'lernito_delivery_events_total',
    'Events of deliveries: received, repeated, enrolled, pre_enrolled, claimed, rejected, needs_attention, retry_scheduled and others.',
    ['kind'],
  )
  for (const kind of ['received', 'repeated', 'id_reused', 'retry_scheduled', 'claimed', ...FINAL_STATES])
    events.inc({ kind }, 0)
  const enrollmentSeconds = new Histogram({
    name: 'lernito_enrollment_seconds',
    help: 'Time from the arrival of a delivery to its enrollment or allowance.',
    buckets: ENROLLMENT_SECONDS,
    registers: [registry],
  })
  const claimSeconds = new Histogram({
    name: 'lernito_claim_seconds',
    help: 'Time from the arrival of a delivery until its buyer, who had no active account, was found enrolled.',
    buckets: CLAIM_SECONDS,
    registers: [registry],
  })
  const rounds = counter(
    'lernito_follow_up_rounds_total',
    'Rounds of the follow-up of pre-enrolled buyers, by result: complete, or stopped before the end.',
    ['result'],
  )
  for (const result of ['complete', 'stopped']) rounds.inc({ result }, 0)
  return { events, enrollmentSeconds, claimSeconds, rounds }
}

function lmsMetrics(registry: Registry) {
  const calls = countersOf(registry)(
    'lernito_lms_calls_total',
    'Calls to the LMS, by endpoint, method and status; "none" without an answer.',
    ['endpoint', 'method', 'status'],
  )
  const callSeconds = new Histogram({
    name: 'lernito_lms_call_seconds',
    help: 'Duration of a call to the LMS, from its turn to the last byte of the answer.',
    labelNames: ['endpoint'],
    buckets: CALL_SECONDS,
    registers: [registry],
  })
  return { calls, callSeconds }
}

/** What is sent to the shop and to operators. */
function sendingMetrics(registry: Registry) {
  const counter = countersOf(registry)
  const sent = counter(
    'lernito_events_sent_total',
    'Attempts to send an event to the shop, by the status of the answer; "none" without an answer.',
    ['status'],
  )
  for (const status of ['2xx', '3xx', '4xx', '5xx', 'none']) sent.inc({ status }, 0)
  const notified = counter(
    'lernito_notifications_total',
    'Attempts to send a notification to operators, by the status of the answer; "none" without an answer.',
    ['status'],
  )
  return { sent, notified }
}

/** The backlog in the database. The time is in ms since 1970. */
export interface Backlog {
  readonly queued: number
  readonly preEnrolled: number
  readonly needsAttention: number
  readonly oldestReceivedAt: number | null
  /** Events that wait for the shop's endpoint, those that were given up, and the time of the oldest that waits. */
  readonly outbox: { readonly pending: number; readonly failed: number; readonly oldestAt: number | null }
}

/** What each scrape reads. */
interface GaugeSources extends Pick<AppContext, 'now' | 'databaseReason'> {
  readonly breaker: { readonly state: () => Pick<BreakerState, 'kind'> }
  readonly breakers: { readonly paused: () => readonly unknown[] }
  readonly budget: Pick<Budget, 'fullness'>
  readonly replicas: Pick<AppContext['replicas'], 'liveCount'>
  /** Rejects while the database is unavailable; the gauges of the backlog then have no value. */
  readonly backlog: () => Promise<Backlog>
}

/** Adds the gauges of the current state. Those of the backlog come from the database, so they are the same on each replica. */
export function addGauges(registry: Registry, sources: GaugeSources): void {
  new Gauge({
    name: 'lernito_lms_circuit_breaker',
    help: 'State of the circuit breaker: 1 for the current state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const state of BREAKER_STATES) this.set({ state }, state === sources.breaker.state().kind ? 1 : 0)
    },
  })
  const gauge = gaugesOf(registry)
  gauge(
    'lernito_courses_paused',
    'Paused courses: the LMS fails for them, and the service makes no calls for them.',
    () => sources.breakers.paused().length,
  )
  gauge(
    'lernito_call_budget_used_ratio',
    'Used share of the call budget; at 1, sales wait for it.',
    () => 1 - Math.max(0, Math.min(1, sources.budget.fullness())),
  )
  gauge('lernito_replicas', 'Replicas that are alive on the same database.', sources.replicas.liveCount)
  gauge('lernito_database_up', 'Whether the database is available.', () => (sources.databaseReason() === null ? 1 : 0))
  addBacklogGauges(gauge, sources)
}

/** Returns the function that adds a gauge to the registry. It has no value while `read` gives null. */
const gaugesOf =
  (registry: Registry) =>
  (name: string, help: string, read: () => number | null | Promise<number | null>): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const value = await read()
        if (value === null) this.remove()
        else this.set(value)
      },
    })
  }

function addBacklogGauges(addGauge: ReturnType<typeof gaugesOf>, sources: GaugeSources): void {
  const backlog = cachedBacklog(sources)
  const gauge = (name: string, help: string, read: (backlog: Backlog) => number): void =>
    addGauge(name, help, async () => {
      const found = await backlog()
      return found === null ? null : read(found)
    })
  gauge('lernito_deliveries_queued', 'Deliveries in an attempt, or due for another one.', ({ queued }) => queued)
  gauge(
    'lernito_deliveries_pre_enrolled',
    'Deliveries that wait for the buyer to register and activate.',
    ({ preEnrolled }) => preEnrolled,
  )
  gauge(
    'lernito_deliveries_needing_attention',
    'Deliveries that need an operator.',
    ({ needsAttention }) => needsAttention,
  )
  gauge(
    'lernito_oldest_queued_seconds',
    'Time since the arrival of the oldest queued delivery; 0 if none is queued.',
    ({ oldestReceivedAt: at }) => (at === null ? 0 : Math.max(0, sources.now() - at) / 1000),
  )
  gauge('lernito_outbox_backlog', 'Events that wait to be sent to the shop.', ({ outbox }) => outbox.pending)
  gauge(
    'lernito_outbox_failed',
    'Events for the shop that were given up after three days.',
    ({ outbox }) => outbox.failed,
  )
  gauge(
    'lernito_outbox_oldest_seconds',
    'Age of the oldest event that waits to be sent to the shop; 0 if none does.',
    ({ outbox: { oldestAt: at } }) => (at === null ? 0 : Math.max(0, sources.now() - at) / 1000),
  )
}

/** Returns the backlog, at most BACKLOG_MS old; null while the database is unavailable. */
function cachedBacklog({ now, backlog }: GaugeSources): () => Promise<Backlog | null> {
  let readAt = Number.NEGATIVE_INFINITY
  let found: Promise<Backlog | null> = Promise.resolve(null)
  return () => {
    const age = now() - readAt
    if (age < 0 || age >= BACKLOG_MS) {
      readAt = now()
      found = backlog().catch(() => null)
    }
    return found
  }
}
