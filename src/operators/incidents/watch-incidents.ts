import type { WriteContext } from '../../database/write-context.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/background-loop.ts'
import { endIncident, endSilent, HEARTBEAT_MS, purgeIncidents, reportIncident, type Seen } from './record.ts'

/** How often to look, in memory. An outage that is shorter may not be recorded. */
const LOOK_MS = 1000
const PURGE_MS = 3_600_000
const DAY_MS = 24 * PURGE_MS

interface Watched {
  readonly context: WriteContext
  /** What is wrong with the LMS now; null if nothing is. */
  readonly lms: () => Seen | null
  /** Why the database can't be used now; null if it can. */
  readonly database: () => string | null
  /** How long incidents are kept. */
  readonly days: number
}

/**
 * Records the incidents that this replica sees, until the signal is aborted. It looks at the circuit breaker and at the
 * database each second, and writes when an incident begins or ends, and every 10 s in between. An outage of the
 * database is recorded when it is over.
 */
export function watchIncidents({ guard, ...parts }: Watched & Background): Promise<void> {
  const look = createLook(parts)
  const round = async (): Promise<number> => {
    const write = look()
    if (write !== null) await guard(write)
    return LOOK_MS
  }
  return runBackgroundLoop({ ...parts, round, againMs: LOOK_MS })
}

/** Returns what is to be written at each look; null: nothing. Call it again after a write that failed. */
export function createLook({ context, lms, database, days }: Watched): () => (() => Promise<void>) | null {
  const { now } = context
  let lost: Seen | null = null
  let open: Seen | null = null
  let reportedAt = Number.NEGATIVE_INFINITY
  let tidiedAt = Number.NEGATIVE_INFINITY
  let purgedAt = Number.NEGATIVE_INFINITY

  /** Each step remembers what it has done, so that a failed write is repeated. */
  const write = async (seen: Seen | null): Promise<void> => {
    if (lost !== null) {
      await reportIncident(context, lost)
      await endIncident(context, { kind: 'database', at: now() })
      lost = null
    }
    if (open !== null && open.kind !== seen?.kind) {
      await endIncident(context, { kind: open.kind, at: now() })
      open = null
    }
    if (seen !== null && (open === null || now() - reportedAt >= HEARTBEAT_MS)) {
      await reportIncident(context, seen)
      open = seen
      reportedAt = now()
    }
    if (now() - tidiedAt >= HEARTBEAT_MS) {
      await endSilent(context)
      tidiedAt = now()
    }
    if (now() - purgedAt >= PURGE_MS) {
      await purgeIncidents({ ...context, before: now() - days * DAY_MS })
      purgedAt = now()
    }
  }

  return () => {
    const reason = database()
    if (reason !== null) {
      lost ??= { kind: 'database', cause: reason, since: now() }
      return null
    }
    const seen = lms()
    const isDue = seen !== null && now() - reportedAt >= HEARTBEAT_MS
    const hasChanged = lost !== null || open?.kind !== seen?.kind
    return hasChanged || isDue || now() - tidiedAt >= HEARTBEAT_MS ? () => write(seen) : null
  }
}
