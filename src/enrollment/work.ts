import type { CourseResult, Delivery, EnrollmentRequest, Reason } from '../delivery/types.ts'
import { bulkCanName } from '../openedx/bulk-enroll.ts'
import type { Failure } from '../openedx/failure.ts'
import type { PausedCourse } from './course-breakers.ts'

/** Of a failed call, what decides how it goes on and what the timeline says. */
export type WorkFailure = Pick<Failure, 'kind' | 'message' | 'retryAfterMs' | 'mayHaveTakenEffect'>

/** A delivery that is being worked on. */
export interface Work {
  readonly delivery: Delivery
  readonly request: EnrollmentRequest
  /** True course keys still to be tried in this round, without those that are done already. */
  readonly open: Set<string>
  readonly done: Map<string, CourseResult>
  /** What the LMS decided against; the first is told to the sender. */
  readonly reasons: Reason[]
  readonly failures: WorkFailure[]
  /** Not together with others: its address can't be sent in bulk, or its state has to be read before enrolling. */
  alone: boolean
  /** The attempt had to stop between two calls: the delivery is not ours to work on any more. */
  stopped: boolean
  /** A batch failed because of this person, as far as can be told: tried singly, behind all others. */
  suspect: boolean
  /** Of a batch that failed, its parts are sent again apart: only works of the same part go together. */
  part: object | null
  /** A batch of several courses failed: only one course at a time, so that each is judged by itself. */
  courseByCourse: boolean
  /** An earlier call, of this attempt or one before, may have taken effect without our knowing. */
  effectUnknown: boolean
  /** As a consequence, this person's state in the LMS is read before enrolling. */
  readFirst: boolean
  /** What the batch said that failed because of this person: the cause, where the single call is refused afterwards. */
  firstError: string | null
  /** When the last of its paused courses is tried again, ms since 1970. */
  pausedUntil: number | null
}

/** What became of one person in one course. */
export type PairResult =
  | { readonly kind: 'done'; readonly result: CourseResult }
  | { readonly kind: 'reason'; readonly reason: Reason }
  | { readonly kind: 'failure'; readonly failure: WorkFailure }

/** It is in the LMS. */
export const done = (result: CourseResult): PairResult => ({ kind: 'done', result })
/** It is decided against. */
export const refused = (reason: Reason): PairResult => ({ kind: 'reason', reason })
/** A call that failed; what the LMS refuses is decided, and trying again would change nothing. */
export const failed = (failure: WorkFailure): PairResult =>
  failure.kind === 'refused' ? refused({ code: 'lms.refused', subject: failure.message }) : { kind: 'failure', failure }

/** A result after a call that changed something, or may have: a failure leaves it unknown how the person stands. */
export const inDoubt = (result: PairResult): PairResult =>
  result.kind === 'failure' ? { kind: 'failure', failure: { ...result.failure, mayHaveTakenEffect: true } } : result

/** Begins a round of work. `courses` are the true course keys; a retry touches only those without a result. */
export function beginWork({
  delivery,
  request,
  courses,
}: {
  delivery: Delivery
  request: EnrollmentRequest
  courses: readonly string[]
}): Work {
  const results = new Map(Object.entries(delivery.outcome?.courses ?? {}))
  return {
    delivery,
    request,
    open: new Set(courses.filter((course) => !results.has(course))),
    done: results,
    reasons: [],
    failures: [],
    alone: !bulkCanName(request.email),
    stopped: false,
    suspect: false,
    part: null,
    courseByCourse: false,
    effectUnknown: delivery.effectUnknown,
    readFirst: false,
    firstError: null,
    pausedUntil: null,
  }
}

/** Ends an attempt between two calls: the delivery is not ours to work on any more. */
export const STOPPED = new Error('the delivery is not ours to work on any more')

/** Makes no further call for the work in this attempt. What is done is kept. */
export function stop(work: Work): void {
  work.stopped = true
  work.open.clear()
}

/** Notes what became of one course, which is then no longer open in this round. */
export function record({ work, course, result }: { work: Work; course: string; result: PairResult }): void {
  work.open.delete(course)
  if (result.kind === 'done') work.done.set(course, result.result)
  if (result.kind === 'reason') work.reasons.push(result.reason)
  if (result.kind === 'failure') work.failures.push(result.failure)
}

/** Fails whichever of these courses is still open for these people. */
export function failAll({
  works,
  courses,
  failure,
}: {
  works: readonly Work[]
  courses: readonly string[]
  failure: WorkFailure
}): void {
  for (const work of works) {
    for (const course of courses) if (work.open.has(course)) record({ work, course, result: failed(failure) })
  }
}

/** Leaves a paused course for the next attempt, without a call. */
export function recordPause({ work, paused }: { work: Work; paused: PausedCourse }): void {
  const { course, probeAt, message } = paused
  work.pausedUntil = Math.max(work.pausedUntil ?? 0, probeAt)
  const failure = {
    kind: 'server_error',
    message: `${course} is paused, since the LMS fails for everybody in it: ${message}`,
    retryAfterMs: null,
    mayHaveTakenEffect: false,
  } as const
  record({ work, course, result: failed(failure) })
}
