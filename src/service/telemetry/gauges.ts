import { Gauge, type Registry } from '@prometheus-io/client'

import type { BreakerState } from '../../enroll/breakers/breaker-state.ts'

const BREAKER_STATES = [
  'closed',
  'half_open',
  'down',
  'throttled',
  'misconfigured',
] as const satisfies readonly BreakerState['kind'][]
/** Scrapes read the database at most once in this time. */
const BACKLOG_MS = 5_000

/** The backlog in the database. The time is in ms since 1970. */
export interface Backlog {
  readonly queued: number
  readonly preEnrolled: number
  readonly needsAttention: number
  readonly oldestReceivedAt: number | null
  /** Events that wait for the shop's endpoint, those that were given up, and the time of the oldest that waits. */
  readonly outbox: { readonly pending: number; readonly failed: number; readonly oldestAt: number | null }
}

/** The sources that each scrape reads. */
export interface GaugeSources {
  /** In ms since 1970. */
  readonly now: () => number
  readonly breakerState: () => BreakerState['kind']
  /** The number of courses that are paused because the LMS fails for them. */
  readonly pausedCourses: () => number
  /** The unused share of the call budget, from 0 to 1. */
  readonly budgetFullness: () => number
  readonly replicas: () => number
  readonly databaseReason: () => string | null
  /** Rejects while the database is unavailable; the gauges of the backlog then have no value. */
  readonly backlog: () => Promise<Backlog>
}

/** Adds the gauges of the current state. Those of the backlog come from the database, so they are the same on each replica. */
export function addGauges({ registry, sources }: { registry: Registry; sources: GaugeSources }): void {
  addBreakerGauge(registry, sources)
  addProcessGauges(registry, sources)
  addBacklogGauges(registry, sources)
}

function addBreakerGauge(registry: Registry, { breakerState }: GaugeSources): void {
  new Gauge({
    name: 'lernito_lms_circuit_breaker',
    help: 'State of the circuit breaker: 1 for the current state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const state of BREAKER_STATES) this.set({ state }, state === breakerState() ? 1 : 0)
    },
  })
}

function addProcessGauges(registry: Registry, sources: GaugeSources): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  gauge(
    'lernito_courses_paused',
    'Paused courses: the LMS fails for them, and the service makes no calls for them.',
    sources.pausedCourses,
  )
  gauge(
    'lernito_call_budget_used_ratio',
    'Used share of the call budget; at 1, sales wait for it.',
    () => 1 - Math.max(0, Math.min(1, sources.budgetFullness())),
  )
  gauge('lernito_replicas', 'Replicas that are alive on the same database.', sources.replicas)
  gauge('lernito_database_up', 'Whether the database is available.', () => (sources.databaseReason() === null ? 1 : 0))
}

function addBacklogGauges(registry: Registry, sources: GaugeSources): void {
  const backlog = cachedBacklog(sources)
  const gauge = (name: string, help: string, read: (backlog: Backlog) => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const found = await backlog()
        if (found === null) this.remove()
        else this.set(read(found))
      },
    })
  }
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
