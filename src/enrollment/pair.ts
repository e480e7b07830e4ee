import type { Permit } from '../openedx/budget.ts'
import type { Lms } from '../openedx/lms.ts'

/** What every call to the LMS needs. */
export interface CallContext {
  readonly lms: Lms
  /**
   * Waits for the right to make one throttled call. Rejects when the work has to stop: the service stops, or the
   * delivery is no longer ours to work on.
   */
  readonly acquire: () => Promise<Permit>
}

/** One person and one course, by its true key. */
export interface Pair extends CallContext {
  readonly email: string
  readonly course: string
}

/**
 * What is known of the person before the call. `unasked`: nothing, and nothing of ours can have taken effect.
 * `effect_unknown`: an earlier attempt may have taken effect without our knowing. The others are what bulk_enroll found
 * or left just now: `allowed_before` an address without an account that had an allowance, which may be used up;
 * `allowed_by_bulk` an allowance of a person who has not activated; `enrolled_and_allowed` both.
 */
export type Standing = 'unasked' | 'effect_unknown' | 'allowed_before' | 'allowed_by_bulk' | 'enrolled_and_allowed'
