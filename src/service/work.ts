import { type BreakerState, isOpen } from '../enroll/breakers/breaker-state.ts'
import { type CircuitBreaker, createCircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import { type CourseBreakers, createCourseBreakers } from '../enroll/breakers/course-breakers.ts'
import { modesFrom } from '../enroll/course-mode.ts'
import type { CallContext } from '../enroll/pair.ts'
import { runWorker } from '../enroll/worker.ts'
import type { Budget } from '../lms/client/budget.ts'
import type { Lms } from '../lms/lms.ts'
import { runBulkReplays } from '../operators/changes/bulk-replay-loop.ts'
import type { Seen } from '../operators/incidents/record.ts'
import { watchIncidents } from '../operators/incidents/watch-incidents.ts'
import type { NotifyTiming } from '../operators/notify/notifier.ts'
import type { OutageWatch } from '../operators/notify/outage.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import { runRetention } from '../queue/retention.ts'
import { runShopAnswers, type ShopAnswers } from '../queue/shop-answers.ts'
import { runSenders, type Senders } from '../shop/senders/senders.ts'
import { createCheckNow, startFollowUp } from './follow-up.ts'
import type { WakeUp } from './lib/wake-up.ts'
import { createCallBudget } from './lms.ts'
import { startNotifier } from './notifications.ts'
import { startOutbox } from './outbox.ts'
import type { Settings } from './settings/settings.ts'
import type { Observer } from './telemetry/observer.ts'
import { startWithdrawals } from './withdrawals.ts'

interface WorkParts {
  readonly settings: Settings
  readonly opened: Pick<
    ReturnType<typeof openInbox>,
    'database' | 'inbox' | 'context' | 'replicas' | 'availability' | 'lease' | 'now' | 'timing'
  >
  readonly senders: Senders
  readonly shopAnswers: Pick<ShopAnswers, 'flush'>
  readonly lms: Lms
  /** How many calls may be in flight at once: `most` is the upper limit, `now` the current limit. */
  readonly concurrency: { readonly most: number; readonly now: () => number }
  readonly observer: Observer
  /** Woken when an event for the shop was stored. */
  readonly outboxWakeUp: WakeUp
  /** Woken when a refund was stored. */
  readonly withdrawalsWakeUp: WakeUp
  readonly random: () => number
  /** From the start of a round of the follow-up to the next one, ms. */
  readonly followUpMs: number
  /** What the circuit breaker has reported; null without notifications. */
  readonly outages: OutageWatch | null
  readonly notifyTiming: NotifyTiming
  /** Aborted when the service stops. */
  readonly signal: AbortSignal
}

/**
 * The background work of the service: it enrolls, follows up pre-enrolled buyers, sends events to the shop, notifies
 * operators, replays what they ordered, and deletes old deliveries.
 */
export function createWork(parts: WorkParts) {
  const { settings, opened, lms, concurrency, observer, random, signal } = parts
  const { inbox, replicas, now } = opened
  const { landsMs } = opened.timing
  const { onError } = observer
  const { LERNITO_EMAIL_STUDENTS: emailStudents, LERNITO_COURSE_MODE: modes } = settings
  const options = { emailStudents, modeOf: modesFrom(modes) }
  const breakers: CourseBreakers = createCourseBreakers({ now, onChange: observer.onCourse })
  let begun: { readonly breaker: CircuitBreaker; readonly budget: Budget } | null = null

  return {
    /** The state of the LMS's circuit breaker; null before the work has begun. */
    breakerState: () => begun?.breaker.state() ?? null,

    /** The courses that are paused because the LMS fails for them, the longest pause first. */
    pausedCourses: breakers.paused,

    /** How full the call budget is, from 0 to 1; null before the work has begun. */
    budgetFullness: () => begun?.budget.fullness() ?? null,

    /** Looks up deliveries in the LMS now, for an operator. */
    checkNow: createCheckNow({ ...parts, begun: () => begun }),

    /** The LMS and the call budget, for what an operator asks of the LMS; null before the work has begun. */
    lmsAccess: (): CallContext | null => {
      if (begun === null) return null
      const { breaker, budget } = begun
      return { lms: breaker.lms, acquire: () => budget.acquire(signal) }
    },

    /** Works until the signal is aborted and everything in flight is settled. The database must be up to date. */
    run: async (): Promise<void> => {
      const callsPerMinute = settings.LERNITO_LMS_CALLS_PER_MINUTE
      // Where the time of the last call is unknown, or another replica may make calls too, it may have been just now.
      const lastUsedAt = replicas.liveCount() > 1 ? now() : await inbox.lastActivityAt().catch(now)
      const budget = createCallBudget({
        callsPerMinute,
        now,
        replicas: replicas.liveCount,
        member: replicas.me,
        lastUsedAt,
      })
      const breaker = createCircuitBreaker({ lms, inbox, budget, now, onChange: observer.onBreaker, signal })
      begun = { breaker, budget }
      await Promise.all([
        runWorker({ inbox, breaker, breakers, budget, options, concurrency, now, random, landsMs, onError, signal }),
        startFollowUp({ ...parts, intervalMs: parts.followUpMs, breaker, budget }),
        startWithdrawals({ ...parts, wakeUp: parts.withdrawalsWakeUp, breaker, budget }),
        startOutbox({ ...parts, wakeUp: parts.outboxWakeUp }),
        startNotifier({ ...parts, breaker }),
        maintain(parts),
        startIncidents(parts, breaker),
      ])
    },
  }
}

/** Records when the LMS or the database is away. */
const startIncidents = (
  { settings, opened, observer, signal }: WorkParts,
  breaker: Pick<CircuitBreaker, 'state'>,
): Promise<void> =>
  watchIncidents({
    context: opened.context,
    guard: opened.availability.guard,
    lms: () => incidentOf(breaker.state()),
    database: opened.availability.reason,
    days: settings.LERNITO_RETENTION_DAYS,
    onError: observer.onError,
    signal,
  })

/** A state of the circuit breaker as an incident; null if it isn't open. */
const incidentOf = (state: BreakerState): Seen | null =>
  isOpen(state) ? { kind: state.kind, cause: state.failure.message, since: state.since } : null

/** The loops that work on the database only. */
async function maintain({ settings, opened, senders, shopAnswers, observer, signal }: WorkParts): Promise<void> {
  const { database, inbox, context, availability, now } = opened
  const { guard } = availability
  const { onError } = observer
  const days = settings.LERNITO_RETENTION_DAYS
  await Promise.all([
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
    runSenders({ senders, days, now, onError, signal }),
    runShopAnswers({ answers: shopAnswers, onError, signal }),
  ])
}
