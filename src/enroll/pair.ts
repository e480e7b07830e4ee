import type { Permit } from '../lms/client/budget.ts'
import type { EnrollingLms } from '../lms/lms.ts'
import type { LmsAccount } from '../sale/line.ts'

/** What is stored of a call before it is made. */
export interface NextCall {
  /** In an attempt, one that carried out late would undo what is done for the buyer afterwards: see Holds.mayUndo. */
  readonly undoes?: boolean
  /** The account that it enrolls in this course, in an attempt: see Line.named. */
  readonly names?: { readonly account: LmsAccount; readonly course: string }
}

/** Waits for the right to make one throttled call. */
export type Acquire = (call?: NextCall) => Promise<Permit>

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
  /** The account that the sale gave the course to before, or may have; null if it gave it to none, or took it back since. */
  readonly stored: LmsAccount | null
  /** Whether a call of unknown effect has named that account: see Line.named. */
  readonly named: boolean
  /** Whether the LMS may still carry out a call for the buyer that nobody waits for any more. */
  readonly mayLand: () => Promise<boolean>
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
 * - `not_sold_anew`: no call is in doubt, but the shop has sold nothing anew: see Delivery.readsFirst.
 * The others are what bulk_enroll found or made just now:
 * - `allowed_before`: the address has no account, and had an allowance, which may be used.
 * - `allowed_by_bulk`: the person has not activated, and has an allowance.
 */
export type PriorKnowledge = 'unasked' | 'effect_unknown' | 'not_sold_anew' | 'allowed_before' | 'allowed_by_bulk'

/** Whether whoever was unenrolled is left alone: it may have been after the sale. */
export const leavesUnenrolled = (prior: PriorKnowledge): boolean =>
  prior === 'effect_unknown' || prior === 'not_sold_anew'
