import { batchCanName } from '../lms/apis/batch-answer.ts'
import { type Failure, mayStillLand } from '../lms/client/failure.ts'
import { type CourseResult, type LmsAccount, resultsOf } from '../sale/line.ts'
import type { CallNote, Delivery, EnrollmentRequest, Reason } from '../sale/types.ts'
import type { PausedCourse } from './breakers/course-breakers.ts'
import type { PriorKnowledge } from './pair.ts'

/** The parts of a failure that decide the next step and go into the timeline. Without a status, no answer came. */
export type WorkFailure = Pick<Failure, 'kind' | 'message' | 'retryAfterMs' | 'mayHaveTakenEffect'> &
  Partial<Pick<Failure, 'status'>>

/** The failure of a call that an error of this service has cut. */
export const INTERNAL = {
  kind: 'server_error',
  status: null,
  message: 'an internal error of this service; see its log',
  retryAfterMs: null,
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

/** The result for one person in one course. `account`: the one that is enrolled, if its id is known. */
export type PairResult =
  | { readonly kind: 'done'; readonly result: CourseResult; readonly account?: LmsAccount }
  | { readonly kind: 'reason'; readonly reason: Reason; readonly result?: CourseResult; readonly account?: LmsAccount }
  | { readonly kind: 'failure'; readonly failure: WorkFailure }

/** The enrollment or allowance is in the LMS. */
export const done = (result: CourseResult): PairResult => ({ kind: 'done', result })
/** There is a reason against it, and another attempt can't help. `result`: what is in the LMS despite it. */
export const refused = (reason: Reason, result?: CourseResult): PairResult =>
  result === undefined ? { kind: 'reason', reason } : { kind: 'reason', reason, result }
/** A call failed. If the LMS refused it, the result is final, since another attempt would change nothing. */
export const failed = (failure: WorkFailure): PairResult =>
  failure.kind === 'refused' ? refused({ code: 'lms.refused', subject: failure.message }) : { kind: 'failure', failure }

type LmsRefusal = Extract<PairResult, { kind: 'reason' }> & { readonly reason: { readonly code: 'lms.refused' } }

/** Whether the LMS has refused the enrollment. The other reasons are about the buyer, or come from before the call. */
export const isRefusedByLms = (result: PairResult): result is LmsRefusal =>
  result.kind === 'reason' && result.reason.code === 'lms.refused'

/** The same result, with the account if it is enrolled. */
export function byAccount(account: LmsAccount | null, result: PairResult): PairResult {
  const isEnrolled = result.kind !== 'failure' && result.result === 'enrolled'
  if (!isEnrolled || account === null) return result
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
  return {
    delivery,
    request,
    open: new Set(courses.filter((course) => !results.has(course))),
    done: results,
    accounts: new Map(),
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
    readFirstSince: delivery.effectUnknown ? performance.now() : null,
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
  if (result.kind !== 'failure' && result.account !== undefined) work.accounts.set(course, result.account)
  if (result.kind === 'failure') {
    work.failures.push({ ...result.failure, course })
    if (mayStillLand(result.failure)) work.mayLand = true
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
