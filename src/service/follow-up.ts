import { isOpen } from '../enroll/breakers/breaker-state.ts'
import type { CircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import { modesFrom } from '../enroll/course-mode.ts'
import { type CheckedNow, checkNow } from '../enroll/follow-up/check-now.ts'
import { runFollowUp } from '../enroll/follow-up/follow-up.ts'
import type { Budget, Permit } from '../lms/client/budget.ts'
import type { Lms } from '../lms/lms.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import { createCallBudget } from './lms.ts'
import type { Settings } from './settings/settings.ts'
import type { Observer } from './telemetry/observer.ts'

/** The follow-up spends at most a quarter of the call budget. */
const BUDGET_PART = 4
/** How long an operator waits for the call budget. */
const OPERATOR_WAITS_MS = 10_000

interface FollowUpParts {
  readonly settings: Settings
  readonly opened: Pick<ReturnType<typeof openInbox>, 'context' | 'replicas' | 'availability' | 'now'>
  readonly lms: Lms
  readonly observer: Observer
  /** From the start of a round to the next one, ms. */
  readonly intervalMs: number
  readonly signal: AbortSignal
}

/** What the work creates when it begins. */
interface Begun {
  readonly breaker: CircuitBreaker
  readonly budget: Budget
}

/**
 * The follow-up of pre-enrolled buyers, until the signal is aborted. It uses the client that the circuit breaker doesn't
 * watch: a failure of its calls must not stop sales.
 */
export function startFollowUp({
  settings,
  opened: { context, replicas, availability, now },
  lms,
  observer,
  intervalMs,
  signal,
  breaker,
  budget,
}: FollowUpParts & Begun): Promise<void> {
  const part = createCallBudget({
    callsPerMinute: settings.LERNITO_LMS_CALLS_PER_MINUTE / BUDGET_PART,
    now,
    replicas: replicas.liveCount,
    member: replicas.me,
    lastUsedAt: now(),
  })
  return runFollowUp({
    context,
    guard: availability.guard,
    replicas,
    lms,
    acquire: async () => {
      ;(await part.acquire(signal)).spend()
      return budget.acquire(signal)
    },
    modeOf: modesFrom(settings.LERNITO_COURSE_MODE),
    isLmsUnavailable: () => isOpen(breaker.state()),
    intervalMs,
    publish: observer.onEvent,
    onRound: ({ failure, ...round }) => observer.onFollowUp({ ...round, reason: failure?.message ?? null }),
    onError: observer.onError,
    signal,
  })
}

/** Looks up deliveries in the LMS for an operator; see checkNow. `begun`: null before the work has begun. */
export function createCheckNow({
  settings,
  opened: { context, availability },
  lms,
  observer,
  signal,
  begun,
}: Omit<FollowUpParts, 'intervalMs'> & { begun: () => Begun | null }) {
  const how = { context, lms, modeOf: modesFrom(settings.LERNITO_COURSE_MODE) }
  const acquireFrom = (budget: Budget): Promise<Permit> =>
    budget.acquire(AbortSignal.any([signal, AbortSignal.timeout(OPERATOR_WAITS_MS)]))
  return async ({ ids, by }: { ids: readonly string[]; by: string }): Promise<CheckedNow[]> => {
    const fail = (failure: string): CheckedNow[] => ids.map((id) => ({ id, failure }))
    const now = begun()
    if (now === null) return fail('the service is starting: try again in a moment')
    if (isOpen(now.breaker.state())) return fail('the LMS is not available')
    let isBusy = false
    const acquire = (): Promise<Permit> =>
      acquireFrom(now.budget).catch((error: unknown) => {
        isBusy = true
        throw error
      })
    try {
      return await availability.guard(() => checkNow({ ...how, acquire, ids, by, publish: observer.onEvent }))
    } catch (error) {
      if (isBusy) return fail('the call budget is used up: try again in a minute')
      throw error
    }
  }
}
