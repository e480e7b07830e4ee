import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'
import openApi from '../../../docs/reference/openapi.json' with { type: 'json' }
import type { BreakerState } from '../../enroll/breakers/breaker-state.ts'
import type { Budget } from '../../lms/client/budget.ts'
import type { OutboxHealth } from '../../operators/reports/outbox.ts'
import type { readBacklog } from '../../operators/reports/overview.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { DELIVERY_STATES, type EventKind } from '../../sale/types.ts'
import { REFUSAL_CODES } from '../../shop/webhook/receive.ts'
import { shareReads } from '../lib/share-reads.ts'
import METRICS from './metrics.json' with { type: 'json' }

/** From one call to a fast LMS to a backlog of one day. */
const ENROLLMENT_SECONDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600]
/** From an hour to a quarter: a buyer registers when they want the course. */
const CLAIM_SECONDS = [1, 24, 3 * 24, 7 * 24, 30 * 24, 90 * 24].map((hours) => hours * 3600)
/** The events that have a series from the start. */
const COUNTED_KINDS: readonly EventKind[] = [
  'received',
  'repeated',
  'id_reused',
  'retry_scheduled',
  'claimed',
  'withdrawal_failed',
  'refund_failed',
  ...DELIVERY_STATES.filter((state) => state !== 'queued'),
]
const { '/api/lernito/webhook/': WEBHOOK, '/api/lernito/refund/': REFUND } = openApi.paths
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

/** A metric by its name. Its help and its labels are in metrics.json. */
function about(name: keyof typeof METRICS): { name: string; help: string; labelNames: string[] } {
  return { name, ...METRICS[name] }
}

/**
 * Creates the counters for Prometheus, those of this process; addGauges adds the current state. Every label has a few fixed
 * values, and no sender can choose one.
 */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counter = (name: keyof typeof METRICS) => new Counter({ ...about(name), registers: [registry] })
  const histogram = (name: keyof typeof METRICS, buckets: number[]) =>
    new Histogram({ ...about(name), buckets, registers: [registry] })
  const metrics = {
    answers: counter('lernito_webhook_answers_total'),
    refunds: counter('lernito_refund_answers_total'),
    refused: counter('lernito_webhook_refused_total'),
    previousSecret: counter('lernito_webhook_previous_secret_total'),
    events: counter('lernito_delivery_events_total'),
    enrollmentSeconds: histogram('lernito_enrollment_seconds', ENROLLMENT_SECONDS),
    claimSeconds: histogram('lernito_claim_seconds', CLAIM_SECONDS),
    rounds: counter('lernito_follow_up_rounds_total'),
    calls: counter('lernito_lms_calls_total'),
    callSeconds: histogram('lernito_lms_call_seconds', CALL_SECONDS),
    sent: counter('lernito_events_sent_total'),
    notified: counter('lernito_notifications_total'),
  }
  // A series that begins with 1 has no increase, so an alert or a panel would miss the first one.
  for (const kind of COUNTED_KINDS) metrics.events.inc({ kind }, 0)
  for (const reason of REFUSAL_CODES) metrics.refused.inc({ reason }, 0)
  for (const result of ['complete', 'stopped']) metrics.rounds.inc({ result }, 0)
  for (const status of ['2xx', '3xx', '4xx', '5xx', 'none']) {
    metrics.sent.inc({ status }, 0)
    metrics.notified.inc({ status }, 0)
  }
  for (const status of Object.keys(WEBHOOK.post.responses)) metrics.answers.inc({ status }, 0)
  for (const status of Object.keys(REFUND.post.responses)) metrics.refunds.inc({ status }, 0)
  return { registry, ...metrics }
}
export type Metrics = ReturnType<typeof createMetrics>

/** The backlog in the database. */
export type Backlog = Awaited<ReturnType<typeof readBacklog>> & {
  readonly outbox: Omit<OutboxHealth, 'endpoint'>
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
  const { now, breaker, breakers, budget, replicas, databaseReason } = sources
  new Gauge({
    ...about('lernito_lms_circuit_breaker'),
    registers: [registry],
    collect() {
      for (const state of BREAKER_STATES) this.set({ state }, state === breaker.state().kind ? 1 : 0)
    },
  })
  /** The gauge has no value while `read` gives null. */
  const gauge = (name: keyof typeof METRICS, read: () => number | Promise<number | null>): void => {
    new Gauge({
      ...about(name),
      registers: [registry],
      async collect() {
        const value = await read()
        if (value === null) this.remove()
        else this.set(value)
      },
    })
  }
  gauge('lernito_courses_paused', () => breakers.paused().length)
  gauge('lernito_call_budget_used_ratio', () => 1 - Math.max(0, Math.min(1, budget.fullness())))
  gauge('lernito_replicas', replicas.liveCount)
  gauge('lernito_database_up', () => (databaseReason() === null ? 1 : 0))
  const readBacklog = shareReads({ read: () => sources.backlog().catch(() => null), forMs: BACKLOG_MS, now })
  const ofBacklog = (name: keyof typeof METRICS, read: (backlog: Backlog) => number): void =>
    gauge(name, async () => {
      const backlog = await readBacklog()
      return backlog === null ? null : read(backlog)
    })
  const secondsSince = (at: number | null): number => (at === null ? 0 : Math.max(0, now() - at) / 1000)
  ofBacklog('lernito_deliveries_queued', ({ queued }) => queued)
  ofBacklog('lernito_deliveries_pre_enrolled', ({ pre_enrolled }) => pre_enrolled)
  ofBacklog('lernito_deliveries_needing_attention', ({ needs_attention }) => needs_attention)
  ofBacklog('lernito_deliveries_rejected', ({ rejected }) => rejected)
  ofBacklog('lernito_oldest_queued_seconds', ({ oldestReceivedAt }) => secondsSince(oldestReceivedAt))
  ofBacklog('lernito_oldest_withdrawal_seconds', ({ oldestRequestedAt }) => secondsSince(oldestRequestedAt))
  ofBacklog('lernito_withdrawals_failed', ({ withdrawalsFailed }) => withdrawalsFailed)
  ofBacklog('lernito_outbox_backlog', ({ outbox }) => outbox.pending)
  ofBacklog('lernito_outbox_failed', ({ outbox }) => outbox.failed)
  ofBacklog('lernito_outbox_oldest_seconds', ({ outbox }) => secondsSince(outbox.oldestAt))
}
