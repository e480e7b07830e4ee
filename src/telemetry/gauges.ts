import { Gauge, type Registry } from 'prom-client'
import type { BreakerReport } from './alert-conditions.ts'

const BREAKER_STATES = [
  'closed',
  'half_open',
  'down',
  'throttled',
  'misconfigured',
] as const satisfies readonly BreakerReport['kind'][]
/** A scrape asks the database at most so often. */
const BACKLOG_MS = 5_000

/** What waits in the database. Times are ms since 1970. */
export interface Backlog {
  readonly waiting: number
  readonly needsAttention: number
  readonly oldestReceivedAt: number | null
}

/** What is asked at each scrape. */
export interface GaugeSources {
  readonly now: () => number
  readonly breakerState: () => BreakerReport['kind']
  /** How many courses are paused, because the LMS fails for them. */
  readonly pausedCourses: () => number
  /** How full the call budget is, from 0 to 1. */
  readonly budgetFullness: () => number
  readonly replicas: () => number
  readonly databaseReason: () => string | null
  /** Rejects while the database is away: the gauges made of it then say nothing. */
  readonly backlog: () => Promise<Backlog>
}

/** How things are at the moment. The backlog's are of the database, the same at each replica. */
export function addGauges({ registry, sources }: { registry: Registry; sources: GaugeSources }): void {
  const registers = [registry]

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
    name: 'lernito_lms_circuit_breaker',
    help: 'How the LMS stands to us: 1 for the state that it is in.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of BREAKER_STATES) this.set({ state }, state === sources.breakerState() ? 1 : 0)
    },
  })
  gauge(
    'lernito_courses_paused',
    'Courses for which the LMS fails, and for which no calls are made for now.',
    sources.pausedCourses,
  )
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
}

/** The backlog as of some seconds ago; null while the database is away. */
function lately({ now, backlog }: GaugeSources): () => Promise<Backlog | null> {
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
