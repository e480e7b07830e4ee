import { batchCanName } from '../lms/apis/batch-answer.ts'
import { type Failure, mayStillLand } from '../lms/client/failure.ts'
import { type CourseResult, type LmsAccount, resultsOf } from '../sale/line.ts'
import type { CallNote, Delivery, EnrollmentRequest, Reason } from '../sale/types.ts'
import type { PausedCourse } from './breakers/course-breakers.ts'
import type { PriorKnowledge } from './pair.ts'

/** The parts of a failed call that decide the next step and go into the timeline. Without a status, no answer came. */
export type CallFailure = Pick<Failure, 'kind' | 'message' | 'retryAfterMs' | 'mayHaveTakenEffect'> &
  Partial<Pick<Failure, 'status'>>

/** Why a course has no result in this attempt. `waits`: no call failed, but none may be made yet. */
export type WorkFailure = CallFailure | (Omit<CallFailure, 'kind'> & { readonly kind: 'waits' })

/** The failure of a call that an error of this service has cut. */
export const INTERNAL = {
  kind: 'server_error',
  status: null,
  message: 'an internal error of this service; see its log',
  retryAfterMs: null,
  mayHaveTakenEffect: true,
} as const satisfies CallFailure

/** The account that an earlier call has named left the address, and is not in the course yet. */
export const MAY_LAND = {
  kind: 'waits',
  message: 'the LMS may still carry out an earlier call for this buyer, whose account has another address now',
  retryAfterMs: 5000,
  mayHaveTakenEffect: true,
} as const satisfies WorkFailure

/**
 * With whom the next call for a delivery is made:
 * - `sets`: with all who wait for the same courses.
 * - `courses`: with all who wait for the same course, one course at a time, because a batch of several has failed.
 * - a symbol: as `courses`, but only with those who have the same symbol. They are a part of a batch that has failed.
 * - `singly`: alone, through the single APIs. Its address can't be sent in a batch, its state has to be read first, or it
 *   needs further calls.
 * - `suspect`: singly too, and after all others, because a batch has probably failed for this person.
 */
type Grouping = 'sets' | 'courses' | symbol | 'singly' | 'suspect'

/** Whether the next call goes through the single APIs. */
export const goesSingly = ({ grouping }: Pick<Work, 'grouping'>): boolean =>
  grouping === 'singly' || grouping === 'suspect'

/** Whether the next call may fail as a batch of this person did before. */
export const mayFailAgain = ({ grouping }: Pick<Work, 'grouping'>): boolean =>
  grouping === 'suspect' || typeof grouping === 'symbol'

/** Takes a person out of the batches. One of a batch that has failed stays a suspect. */
export function sendSingly(work: Work): void {
  work.grouping = mayFailAgain(work) ? 'suspect' : 'singly'
}

/** A delivery in an attempt. */
export interface Work {
  readonly delivery: Delivery
  readonly request: EnrollmentRequest
  /** True course keys without a result in this attempt or an earlier one. */
  readonly open: Set<string>
  readonly done: Map<string, CourseResult>
  /** The accounts that are enrolled in courses of `done`, as this attempt has found out. */
  readonly accounts: Map<string, LmsAccount>
  /** By course, whether a call gave what is there, see Line.gave; true from the first one on whose effect is unknown. */
  readonly gave: Map<string, boolean>
  /** By course, the mode that the buyer had before this attempt raised it. */
  readonly modesBefore: Map<string, string>
  /** The reasons against a course or the person. The first one goes to the sender. */
  readonly reasons: Reason[]
  readonly failures: (WorkFailure & { readonly course?: string })[]
  grouping: Grouping
  /** The account that the LMS has for the address, as of `searchedAt`; null if there is none, and before that. */
  account: LmsAccount | null
  /** Courses about which the LMS may have mailed the person in this attempt. */
  readonly mailed: Set<string>
  /** What a batch of this attempt found or made for the person, by course, where that needs further calls. */
  readonly prior: Map<string, PriorKnowledge>
  /** When the LMS was last asked whose account has the address, by performance.now(); null if never. */
  searchedAt: number | null
  /** The ids of the batches of this attempt, as the LMS's audit names them. */
  readonly batches: string[]
  /** The calls of this attempt, for its timeline. */
  readonly calls: CallNote[]
  /** The attempt had to stop between two calls: an operator has stopped the delivery, or the hold was ended. */
  stopped: boolean
  /** An earlier call, of this attempt or one before, may have taken effect without our knowing. */
  effectUnknown: boolean
  /**
   * For that reason, whoever has an account goes singly, and that call reads this person's state in the LMS before
   * enrolling. Without an account, nobody can have been enrolled: the person goes with others, and gets the same allowance
   * again. The end of the latest such call, or the begin of the attempt after one, by performance.now(), because an earlier
   * search proves nothing; null if there was none.
   */
  readFirstSince: number | null
  /** The LMS may still carry out a call of this attempt that nobody waits for any more. */
  mayLand: boolean
  /** The error of the batch that failed because of this person: the cause, if the single call is refused afterwards. */
  firstError: string | null
  /** The latest time of the next probe among its paused courses, ms since 1970. */
  pausedUntil: number | null
}

/** What is known of an enrollment or allowance in the LMS. */
interface Known {
  /** The one that is enrolled, if its id is known. */
  readonly account?: LmsAccount
  /** It was there before the call, so that this one gave nothing: see Line.gave. */
  readonly hadBefore?: true
  /** The course mode that it had before this call raised it. */
  readonly modeBefore?: string
}

/** The result for one person in one course. */
export type PairResult =
  | ({ readonly kind: 'done'; readonly result: CourseResult } & Known)
  | ({ readonly kind: 'reason'; readonly reason: Reason; readonly result?: CourseResult } & Known)
  | { readonly kind: 'failure'; readonly failure: WorkFailure }

/** The enrollment or allowance is in the LMS. */
export const done = (result: CourseResult, known: Known = {}): PairResult => ({ kind: 'done', result, ...known })
/** There is a reason against it, and another attempt can't help. `result`: what is in the LMS despite it. */
export const refused = (reason: Reason, result?: CourseResult, known: Known = {}): PairResult =>
  result === undefined ? { kind: 'reason', reason } : { kind: 'reason', reason, result, ...known }
/** A call failed. If the LMS refused it, the result is final, since another attempt would change nothing. */
export const failed = (failure: WorkFailure): PairResult =>
  failure.kind === 'refused' ? refused({ code: 'lms.refused', subject: failure.message }) : { kind: 'failure', failure }

type LmsRefusal = Extract<PairResult, { kind: 'reason' }> & { readonly reason: { readonly code: 'lms.refused' } }

/** Whether the LMS has refused the enrollment. The other reasons are about the buyer, or come from before the call. */
export const isRefusedByLms = (result: PairResult): result is LmsRefusal =>
  result.kind === 'reason' && result.reason.code === 'lms.refused'

/** The same result, with the account if it is enrolled. */
export function byAccount(account: LmsAccount | null, result: PairResult): PairResult {
  if (result.kind === 'failure' || result.result !== 'enrolled' || account === null) return result
  const { id, username } = account
  return { ...result, account: { id, username } }
}

/** A result after a call that changed something, or may have. A failure leaves the person's standing unknown. */
export const inDoubt = (result: PairResult): PairResult =>
  result.kind === 'failure' ? { kind: 'failure', failure: { ...result.failure, mayHaveTakenEffect: true } } : result

/** Begins an attempt. `courses` are the true course keys. A retry covers only those without a result. */
export function beginWork({
  delivery,
  request,
  courses,
}: {
  delivery: Delivery
  request: EnrollmentRequest
  courses: readonly string[]
}): Work {
  const results = new Map(Object.entries(resultsOf(delivery.lines)))
  const open = courses.filter((course) => !results.has(course))
  return {
    delivery,
    request,
    open: new Set(open),
    done: results,
    accounts: new Map(),
    gave: new Map(delivery.effectUnknown ? open.map((course) => [course, true]) : []),
    modesBefore: new Map(),
    reasons: [],
    failures: [],
    grouping: batchCanName(request.email) ? 'sets' : 'singly',
    prior: new Map(),
    searchedAt: null,
    account: null,
    mailed: new Set(),
    batches: [],
    calls: [],
    stopped: false,
    effectUnknown: delivery.effectUnknown,
    mayLand: false,
    readFirstSince: delivery.effectUnknown || delivery.readsFirst ? performance.now() : null,
    firstError: null,
    pausedUntil: null,
  }
}

/** Ends an attempt between two calls: an operator has stopped the delivery, or the hold was ended. */
export const STOPPED = new Error('the attempt may not go on')

/** Ends the calls for the work in this attempt. Its results are kept. */
export function stop(work: Work): void {
  work.stopped = true
  work.open.clear()
}

/** Records the result of one course, which is then no longer open in this attempt. */
export function record({ work, course, result }: { work: Work; course: string; result: PairResult }): void {
  work.open.delete(course)
  if (result.kind === 'done') work.done.set(course, result.result)
  if (result.kind === 'reason') {
    const { reason } = result
    work.reasons.push(isRefusedByLms(result) ? { ...reason, course } : reason)
    if (result.result !== undefined) work.done.set(course, result.result)
  }
  if (result.kind !== 'failure' && result.result !== undefined) {
    if (work.gave.get(course) !== true) work.gave.set(course, result.hadBefore !== true)
    if (result.modeBefore !== undefined) work.modesBefore.set(course, result.modeBefore)
    if (result.account !== undefined) work.accounts.set(course, result.account)
  }
  if (result.kind === 'failure') {
    work.failures.push({ ...result.failure, course })
    if (result.failure.mayHaveTakenEffect) work.gave.set(course, true)
    if (result.failure.kind !== 'waits' && mayStillLand(result.failure)) work.mayLand = true
  }
}

/** Records the same result for all of these courses that are still open for these people. */
export function recordAll(
  { works, courses }: { readonly works: readonly Work[]; readonly courses: readonly string[] },
  result: PairResult,
): void {
  for (const work of works) {
    for (const course of courses) if (work.open.has(course)) record({ work, course, result })
  }
}

/** Leaves a paused course to the next attempt, without a call. */
export function recordPause({ work, paused }: { work: Work; paused: PausedCourse }): void {
  const { course, probeAt, message } = paused
  work.pausedUntil = Math.max(work.pausedUntil ?? 0, probeAt)
  const failure = {
    kind: 'server_error',
    message: `${course} is paused, since the LMS fails for everyone in it: ${message}`,
    retryAfterMs: null,
    mayHaveTakenEffect: false,
  } as const
  record({ work, course, result: failed(failure) })
}
