import { readBacklog } from '../operators/find/overview.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import { readOutboxBacklog } from '../queue/outbox/list-events.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { createObserver } from './telemetry/observer.ts'
import type { createWork } from './work.ts'

interface Sources {
  readonly opened: Pick<ReturnType<typeof openInbox>, 'database' | 'replicas' | 'availability' | 'now'>
  readonly work: Pick<ReturnType<typeof createWork>, 'breakerState' | 'pausedCourses' | 'budgetFullness'>
}

/**
 * The metrics and the observer. `sources` is asked at each scrape of the metrics
 * and never before: its parts report to this observer, so they are created after it.
 */
export function createReporting({ log, now, sources }: { log: Log; now: () => number; sources: () => Sources }) {
  const metrics = createMetrics({
    now: () => sources().opened.now(),
    breakerState: () => sources().work.breakerState()?.kind ?? 'closed',
    pausedCourses: () => sources().work.pausedCourses().length,
    budgetFullness: () => sources().work.budgetFullness() ?? 1,
    replicas: () => sources().opened.replicas.liveCount(),
    databaseReason: () => sources().opened.availability.reason(),
    backlog: () => {
      const { availability, database } = sources().opened
      return availability.guard(async () => {
        return { ...(await readBacklog(database.db)), outbox: await readOutboxBacklog(database.db) }
      })
    },
  })
  return { metrics, observer: createObserver({ log, metrics, now }) }
}
