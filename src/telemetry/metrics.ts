import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { DELIVERY_STATES, type DeliveryEvent } from '../deliveries/types.ts'
import type { LinkReport } from './trouble.ts'

const LINK_STATES = ['up', 'down', 'throttled', 'misconfigured'] as const satisfies readonly LinkReport['kind'][]
/** From one call of a quick LMS to a backlog of a day. */
const ENROLLMENT_SECONDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600]
const CALL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30]
/** A scrape asks the database at most so often. */
const BACKLOG_MS = 5_000

/** What waits in the database. Times are ms since 1970. */
export interface Backlog {
  readonly waiting: number
  readonly needsAttention: number
  readonly oldestReceivedAt: number | null
}

export interface MetricSources {
  readonly now: () => number
  readonly linkState: () => LinkReport['kind']
  /** How full the call budget is, from 0 to 1. */
  readonly budgetFullness: () => number
  readonly replicas: () => number
  readonly databaseReason: () => string | null
  /** Rejects while the database is away: the gauges made of it then say nothing. */
  readonly backlog: () => Promise<Backlog>
}

/**
 * Metrics for Prometheus. Every label has few and fixed values; nothing that a sender chooses is one. Counters are of
 * this process; the gauges of the backlog are of the database, the same at each replica.
 */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const answers = new Counter({
    name: 'lernito_webhook_answers_total',
    help: 'Requests to the webhook, by the status of the answer.',
    labelNames: ['status'],
    registers,
  })
  const refused = new Counter({
    name: 'lernito_webhook_refused_total',
    help: 'Webhooks that were refused without being stored, by the reason.',
    labelNames: ['reason'],
    registers,
  })
  const previousSecret = new Counter({
    name: 'lernito_webhook_previous_secret_total',
    help: 'Webhooks that were signed with LERNITO_WEBHOOK_SECRET_PREVIOUS.',
    registers,
  })
  const events = new Counter({
    name: 'lernito_delivery_events_total',
    help: 'What happened to deliveries: received, repeated, succeeded, rejected, needs_attention, retry_scheduled and so on.',
    labelNames: ['kind'],
    registers,
  })
  for (const kind of ['received', 'repeated', 'retry_scheduled', ...DELIVERY_STATES.filter((one) => one !== 'waiting')])
    events.inc({ kind }, 0)
  const enrollmentSeconds = new Histogram({
    name: 'lernito_enrollment_seconds',
    help: 'From the arrival of a delivery to its enrollment or allowance.',
    buckets: ENROLLMENT_SECONDS,
    registers,
  })
  const calls = new Counter({
    name: 'lernito_lms_calls_total',
    help: 'Calls to the LMS, by endpoint, method and status; "none" where no answer came.',
    labelNames: ['endpoint', 'method', 'status'],
    registers,
  })
  const callSeconds = new Histogram({
    name: 'lernito_lms_call_seconds',
    help: 'How long a call to the LMS took, from its turn to the last byte of the answer.',
    labelNames: ['endpoint'],
    buckets: CALL_SECONDS,
    registers,
  })

  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  new Gauge({
    name: 'lernito_lms_link',
    help: 'How the LMS stands to us: 1 for the state that it is in.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of LINK_STATES) this.set({ state }, state === sources.linkState() ? 1 : 0)
    },
  })
  gauge(
    'lernito_call_budget_used_ratio',
    'How much of the call budget is used up: 1 means that sales wait for it.',
    () => 1 - Math.max(0, Math.min(1, sources.budgetFullness())),
  )
  gauge('lernito_replicas', 'Services that are alive on the same database.', sources.replicas)
  gauge('lernito_database_up', 'Whether the database can be used.', () => (sources.databaseReason() === null ? 1 : 0))

  const backlog = lately(sources)
  const backlogGauge = (name: string, help: string, read: (backlog: Backlog) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const found = await backlog()
        if (found === null) this.remove()
        else this.set(read(found))
      },
    })
  }
  backlogGauge('lernito_deliveries_waiting', 'Deliveries that wait for their enrollment.', ({ waiting }) => waiting)
  backlogGauge(
    'lernito_deliveries_needing_attention',
    'Deliveries that somebody has to look at.',
    ({ needsAttention }) => needsAttention,
  )
  backlogGauge(
    'lernito_oldest_waiting_seconds',
    'How long ago the oldest delivery that waits was received; 0 if none waits.',
    ({ oldestReceivedAt: at }) => (at === null ? 0 : Math.max(0, sources.now() - at) / 1000),
  )

  return {
    registry,
    onAnswer: (status: number): void => answers.inc({ status }),
    onRefused: (reason: string): void => refused.inc({ reason }),
    onPreviousSecret: (): void => previousSecret.inc(),
    onEvent: ({ kind, tookMs }: DeliveryEvent): void => {
      events.inc({ kind })
      if (tookMs !== undefined) enrollmentSeconds.observe(tookMs / 1000)
    },
    onCall: ({ endpoint, method, status, ms }: LmsCall): void => {
      calls.inc({ endpoint, method, status: status ?? 'none' })
      callSeconds.observe({ endpoint }, ms / 1000)
    },
  }
}
export type Metrics = ReturnType<typeof createMetrics>

/** One attempt to call the LMS; `endpoint` is a route's pattern, `status` null where no answer came. */
export interface LmsCall {
  readonly endpoint: string
  readonly method: string
  readonly status: number | null
  readonly ms: number
}

/** The backlog as of some seconds ago; null while the database is away. */
function lately({ now, backlog }: MetricSources): () => Promise<Backlog | null> {
  let asked = Number.NEGATIVE_INFINITY
  let found: Promise<Backlog | null> = Promise.resolve(null)
  return () => {
    const age = now() - asked
    if (age < 0 || age >= BACKLOG_MS) {
      asked = now()
      found = backlog().catch(() => null)
    }
    return found
  }
}

/** GET /metrics, in Prometheus' text format. */
export function metricsRoute({ app, metrics: { registry } }: { app: FastifyInstance; metrics: Metrics }): void {
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}
