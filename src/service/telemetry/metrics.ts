import { Counter, collectDefaultMetrics, Histogram, Registry } from '@prometheus-io/client'
import type { FastifyInstance } from 'fastify'
import { DELIVERY_STATES, type DeliveryEvent } from '../../sale/types.ts'
import { addGauges, type GaugeSources } from './gauges.ts'

/** From one call to a fast LMS to a backlog of one day. */
const ENROLLMENT_SECONDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600]
/** From an hour to a quarter: a buyer registers when they want the course. */
const CLAIM_SECONDS = [1, 24, 3 * 24, 7 * 24, 30 * 24, 90 * 24].map((hours) => hours * 3600)
const FINAL_STATES = DELIVERY_STATES.filter((state) => state !== 'queued')
const CALL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30]

/**
 * Creates the metrics for Prometheus. Every label has a few fixed values, and no sender can choose one. The counters are
 * those of this process.
 */
export function createMetrics(sources: GaugeSources) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const { answers, refunds, refused, previousSecret } = webhookMetrics([registry])
  const { events, enrollmentSeconds, claimSeconds, rounds } = deliveryMetrics([registry])
  const { calls, callSeconds } = lmsMetrics([registry])
  const sent = new Counter({
    name: 'lernito_events_sent_total',
    help: 'Attempts to send an event to the shop, by the status of the answer; "none" without an answer.',
    labelNames: ['status'],
    registers: [registry],
  })
  for (const status of ['2xx', '3xx', '4xx', '5xx', 'none']) sent.inc({ status }, 0)
  const notified = new Counter({
    name: 'lernito_notifications_total',
    help: 'Attempts to send a notification to operators, by the status of the answer; "none" without an answer.',
    labelNames: ['status'],
    registers: [registry],
  })
  addGauges({ registry, sources })

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
    onCall: ({ endpoint, method, status, ms }: LmsCall): void => {
      calls.inc({ endpoint, method, status: status ?? 'none' })
      callSeconds.observe({ endpoint }, ms / 1000)
    },
  }
}
export type Metrics = ReturnType<typeof createMetrics>

/** Who answers chooses the status, so the label has only its class. */
const statusClass = (status: number | null): string => (status === null ? 'none' : `${Math.floor(status / 100)}xx`)

/** One call to the LMS. `endpoint` is a route's pattern; `status` is null without an answer. */
export interface LmsCall {
  readonly endpoint: string
  readonly method: string
  readonly status: number | null
  readonly ms: number
}

function webhookMetrics(registers: Registry[]) {
  const answers = new Counter({
    name: 'lernito_webhook_answers_total',
    help: 'Requests to the webhook, by the status of the answer.',
    labelNames: ['status'],
    registers,
  })
  const refunds = new Counter({
    name: 'lernito_refund_answers_total',
    help: 'Requests for a refund, by the status of the answer.',
    labelNames: ['status'],
    registers,
  })
  const refused = new Counter({
    name: 'lernito_webhook_refused_total',
    help: 'Webhooks that were refused without being stored, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const previousSecret = new Counter({
    name: 'lernito_webhook_previous_secret_total',
    help: 'Webhooks that were signed with LERNITO_WEBHOOK_SECRET_PREVIOUS.',
    registers,
  })
  return { answers, refunds, refused, previousSecret }
}

function deliveryMetrics(registers: Registry[]) {
  const events = new Counter({
    name: 'lernito_delivery_events_total',
    help: 'Events of deliveries: received, repeated, enrolled, pre_enrolled, claimed, rejected, needs_attention, retry_scheduled and others.',
    labelNames: ['kind'],
    registers,
  })
  for (const kind of ['received', 'repeated', 'id_reused', 'retry_scheduled', 'claimed', ...FINAL_STATES])
    events.inc({ kind }, 0)
  const enrollmentSeconds = new Histogram({
    name: 'lernito_enrollment_seconds',
    help: 'Time from the arrival of a delivery to its enrollment or allowance.',
    buckets: ENROLLMENT_SECONDS,
    registers,
  })
  const claimSeconds = new Histogram({
    name: 'lernito_claim_seconds',
    help: 'Time from the arrival of a delivery until its buyer, who had no active account, was found enrolled.',
    buckets: CLAIM_SECONDS,
    registers,
  })
  const rounds = new Counter({
    name: 'lernito_follow_up_rounds_total',
    help: 'Rounds of the follow-up of pre-enrolled buyers, by result: complete, or stopped before the end.',
    labelNames: ['result'],
    registers,
  })
  for (const result of ['complete', 'stopped']) rounds.inc({ result }, 0)
  return { events, enrollmentSeconds, claimSeconds, rounds }
}

function lmsMetrics(registers: Registry[]) {
  const calls = new Counter({
    name: 'lernito_lms_calls_total',
    help: 'Calls to the LMS, by endpoint, method and status; "none" without an answer.',
    labelNames: ['endpoint', 'method', 'status'],
    registers,
  })
  const callSeconds = new Histogram({
    name: 'lernito_lms_call_seconds',
    help: 'Duration of a call to the LMS, from its turn to the last byte of the answer.',
    labelNames: ['endpoint'],
    buckets: CALL_SECONDS,
    registers,
  })
  return { calls, callSeconds }
}

/** Adds GET /metrics, in Prometheus' text format. */
export function metricsRoute({ app, metrics: { registry } }: { app: FastifyInstance; metrics: Metrics }): void {
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}
