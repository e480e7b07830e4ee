import { type CircuitBreaker, createCircuitBreaker } from '../enrollment/circuit-breaker.ts'
import { type CourseBreakers, createCourseBreakers } from '../enrollment/course-breakers.ts'
import { runWorker } from '../enrollment/worker.ts'
import { runBackfill } from '../inbox/backfill.ts'
import type { openInbox } from '../inbox/open-inbox.ts'
import { runRetention } from '../inbox/retention.ts'
import type { Budget } from '../openedx/budget.ts'
import type { Lms } from '../openedx/lms.ts'
import { runBulkReplays } from '../operations/bulk-replay-loop.ts'
import type { Settings } from '../settings/settings.ts'
import type { Observer } from '../telemetry/observer.ts'
import { budgetOf } from './lms.ts'

interface WorkParts {
  readonly settings: Settings
  readonly opened: Pick<
    ReturnType<typeof openInbox>,
    'database' | 'inbox' | 'context' | 'replicas' | 'availability' | 'now'
  >
  readonly lms: Lms
  /** How many calls may be under way at once: the most that it may ever be, and what it is now. */
  readonly concurrency: { readonly most: number; readonly now: () => number }
  readonly observer: Observer
  readonly random: () => number
  /** Aborted at the stop. */
  readonly signal: AbortSignal
}

/** What the service does besides answering: it enrolls, replays what operators ordered, and deletes what is old. */
export function createWork({ settings, opened, lms, concurrency, observer, random, signal }: WorkParts) {
  const { database, inbox, context, replicas, availability, now } = opened
  const { guard } = availability
  const { onError } = observer
  const days = settings.LERNITO_RETENTION_DAYS
  const breakers: CourseBreakers = createCourseBreakers({ now, onChange: observer.onCourse })
  let begun: { readonly breaker: CircuitBreaker; readonly budget: Budget } | null = null

  return {
    /** How the LMS stands to us; null before the work has begun. */
    breakerState: () => begun?.breaker.state() ?? null,

    /** The courses for which the LMS fails and that are paused therefore, the longest first. */
    pausedCourses: breakers.paused,

    /** How full the call budget is, from 0 to 1; null before the work has begun. */
    budgetFullness: () => begun?.budget.fullness() ?? null,

    /** Works until the signal is aborted and what is in flight has been settled. The database has to be up to date. */
    run: async (): Promise<void> => {
      const callsPerMinute = settings.LERNITO_LMS_CALLS_PER_MINUTE
      // If it can't be told when the last call was, or another replica may make some, it may have been just now.
      const lastUsedAt = replicas.liveCount() > 1 ? now() : await inbox.lastActivityAt().catch(now)
      const budget = budgetOf({ callsPerMinute, now, replicas: replicas.liveCount, member: replicas.me, lastUsedAt })
      const breaker = createCircuitBreaker({ lms, inbox, budget, now, onChange: observer.onBreaker })
      begun = { breaker, budget }
      await Promise.all([
        runWorker({ inbox, breaker, breakers, budget, concurrency, now, random, onError, signal }),
        runRetention({
          db: database.db,
          days,
          now,
          guard,
          onPurged: (deliveries) => observer.onPurged({ deliveries, days }),
          onError,
          signal,
        }),
        runBulkReplays({
          context,
          guard,
          onStepped: (events) => {
            for (const event of events) observer.onEvent(event)
            inbox.claimOrphansSoon()
          },
          onError,
          signal,
        }),
        runBackfill({ context, guard, onError, signal }),
      ])
    },
  }
}
