/**
 * The state of the circuit breaker on this replica; `since` and `probeAt` are in ms since 1970. The worker's circuit
 * breaker sets it.
 */
export type BreakerView =
  | { readonly kind: 'closed' | 'half_open' }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly probeAt: number
      readonly failure: { readonly message: string }
    }

/** Whether the circuit breaker keeps all calls from the LMS. */
export const isOpen = (view: BreakerView): view is Extract<BreakerView, { since: number }> => 'since' in view

/** A course for which the LMS fails; times in ms since 1970. `probeAt`: the time of the next attempt, possibly past. */
export interface PausedCourseView {
  readonly course: string
  readonly since: number
  readonly probeAt: number
  readonly message: string
}

/** What only the running service knows; null until the worker has started. */
export interface LiveState {
  readonly breaker: () => BreakerView | null
  /** The paused courses, the longest paused first. */
  readonly pausedCourses: () => readonly PausedCourseView[]
  /** The unused share of the call budget, from 0 to 1. */
  readonly budget: () => number | null
}
