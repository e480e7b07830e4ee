import type { Permit } from '../lms/client/budget.ts'
import type { EnrollingLms } from '../lms/lms.ts'
import type { LmsAccount } from '../sale/line.ts'

/**
 * Waits for the right to make one throttled call. `undoes`: in an attempt, one that carried out late would undo what is done
 * for the buyer afterwards. See Holds.mayUndo.
 */
export type Acquire = (call?: { readonly undoes: boolean }) => Promise<Permit>

/** The context that every call to the LMS needs. */
export interface CallContext {
  readonly lms: EnrollingLms
  /** Rejects if the work has to stop: the service stops, or this replica no longer owns the delivery. */
  readonly acquire: Acquire
}

/** One person and one course, by its true key. */
export interface Pair extends CallContext {
  readonly email: string
  readonly course: string
  /** The account that the sale gave the course to before; null if it gave it to none, or took it back since. */
  readonly stored: LmsAccount | null
  /** Whether that account was found by a look, so that the allowance has to be asked: see Line.claimed. */
  readonly claimed: boolean
  /** Whether the sale was done before: then a used allowance is its own, and whoever has used it is its buyer. */
  readonly wasDone: boolean
  /** Whether that account is known to lack the mode that was sold: see lacksMode. */
  readonly lacksMode?: boolean
  /** The slug of the course mode that LERNITO_COURSE_MODE names; null if the LMS chooses. */
  readonly mode: string | null
  readonly prior: PriorKnowledge
}

/**
 * What is known about the person before the call:
 * - `unasked`: nothing, and no earlier call of ours can have taken effect.
 * - `effect_unknown`: an earlier attempt may have taken effect without our knowing, or bulk_enroll just did.
 * The others are what bulk_enroll found or made just now:
 * - `allowed_before`: the address has no account, and had an allowance, which may be used.
 * - `allowed_by_bulk`: the person has not activated, and has an allowance.
 */
export type PriorKnowledge = 'unasked' | 'effect_unknown' | 'allowed_before' | 'allowed_by_bulk'
