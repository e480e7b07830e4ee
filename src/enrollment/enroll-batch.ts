import type { BatchAnswer, PersonResult } from '../openedx/batch-answer.ts'
import type { Permit } from '../openedx/budget.ts'
import type { Failure, Judged } from '../openedx/failure.ts'
import type { Batch } from './batches.ts'
import type { Route } from './choose-api.ts'
import type { CourseBreakers } from './course-breakers.ts'
import { enrollSingly } from './enroll-singly.ts'
import { leaveOutOthers } from './leave-out-others.ts'
import type { CallContext, PriorKnowledge } from './pair.ts'
import { splitFailedBatch } from './split-batch.ts'
import { done, failAll, type PairResult, record, refused, STOPPED, stop, type Work } from './work.ts'

export interface BatchContext extends Pick<CallContext, 'lms'> {
  readonly batch: Batch
  /** As CallContext.acquire, for calls about one delivery. Rejects with STOPPED if this replica no longer owns it. */
  readonly acquireFor: (work: Work) => Promise<Permit>
  readonly breakers: Pick<CourseBreakers, 'succeeded' | 'failed'>
  /** Whether the LMS as a whole is available. If so, a failure is about a person or a course. */
  readonly isUp: () => boolean
}

/** Enrolls a batch person by person and course by course, and records the results in its works. */
export async function enrollOneByOne({ batch, breakers, isUp, ...context }: BatchContext): Promise<void> {
  for (const work of batch.works) {
    for (const course of batch.courses) {
      const { email } = work.request
      const result = await singly({ ...context, work, course })
      if (result === null) break
      const isCourseFailure = result.kind === 'failure' && isInDoubt(result.failure) && isUp()
      if (isCourseFailure) breakers.failed(course, { people: [email], message: result.failure.message })
      if (showsThatCourseWorks(result)) breakers.succeeded(course)
      record({ work, course, result: withFirstError(work, result) })
    }
  }
}

/** null if the work was stopped between two calls. */
async function singly({
  lms,
  acquireFor,
  work,
  course,
}: Pick<BatchContext, 'lms' | 'acquireFor'> & { work: Work; course: string }): Promise<PairResult | null> {
  try {
    const acquire = (): Promise<Permit> => acquireFor(work)
    const prior = work.prior.get(course) ?? (work.readFirst ? 'effect_unknown' : 'unasked')
    return await enrollSingly({ lms, acquire, email: work.request.email, course, prior })
  } catch (error) {
    if (error !== STOPPED) throw error
    stop(work)
    return null
  }
}

/** A refusal of the person doesn't prove that the course works. */
const showsThatCourseWorks = (result: PairResult): boolean =>
  result.kind === 'done' || (result.kind === 'reason' && result.reason.code === 'lms.refused')

/** The batch's error is the cause. The LMS's message about the single call may be about that call only. */
function withFirstError({ firstError }: Work, result: PairResult): PairResult {
  if (firstError === null || result.kind !== 'reason' || result.reason.code !== 'lms.refused') return result
  return refused({ ...result.reason, subject: `${firstError}; singly: ${result.reason.subject}` })
}

/** Failures that may be about a person or a course, while the LMS as a whole is available. */
const isInDoubt = ({ kind }: Pick<Failure, 'kind'>): boolean => kind === 'server_error' || kind === 'unreachable'

type BatchRoute = Extract<Route, { kind: 'bulk' | 'modify' }>

/**
 * Makes one call of bulk_enroll or enrollments/modify for a batch, and records the results in its works. A work without
 * a result stays open and is marked, so that it gets another call: singly, if the person needs more than a batch does,
 * and apart from the people who may have caused a failure. HTTP 200 isn't success: each person is judged, and if any
 * result has `error`, the answer proves nothing (after a database deadlock, the LMS answers 200 and has rolled everything
 * back).
 * @param of.waiting the works that are in no call
 * @param of.newId makes the id of the batch, which the LMS's audit and the timelines of its deliveries name
 */
export async function enrollInBatch({
  route,
  waiting,
  newId,
  ...context
}: BatchContext & { route: BatchRoute; waiting: readonly Work[]; newId: () => string }): Promise<void> {
  const { lms, breakers, isUp } = context
  try {
    const batch = await leaveOutOthers({ batch: context.batch, lms, waiting })
    if (batch.works.length === 0) return
    const answer = await call({ batch, lms, route, reason: reasonOf(batch, newId) })
    if (answer.ok && answer.value !== null) takeAnswer({ batch, breakers, route }, answer.value)
    else if (answer.ok) recordMissingCourse(batch)
    else if (isInDoubt(answer.failure) && isUp()) {
      await splitFailedBatch({ batch, failure: answer.failure, breakers, lms })
    } else failAll({ ...batch, failure: answer.failure })
  } finally {
    if (route.kind === 'bulk') route.permit.release() // if the call wasn't made
  }
}

/** What the LMS's audit says: one sale, or the batch whose id the attempts of its deliveries name. */
function reasonOf({ works }: Batch, newId: () => string): string {
  const [first] = works
  if (works.length === 1 && first !== undefined) return `Lernito ${first.delivery.id}`
  const id = newId()
  for (const work of works) work.batches.push(id)
  return `Lernito batch ${id}`
}

/** null if the LMS has no such course. */
function call({
  batch: { courses, works },
  lms,
  route,
  reason,
}: Pick<BatchContext, 'batch' | 'lms'> & { route: BatchRoute; reason: string }): Promise<
  Judged<BatchAnswer<'enroll'> | null>
> {
  const emails = works.map((work) => work.request.email)
  const common = { action: 'enroll', emails, reason, emailStudents: false } as const
  if (route.kind === 'bulk') return lms.bulkEnroll(route.permit, { ...common, courses })
  const [course = ''] = courses
  return lms.modify({ ...common, course })
}

/** The LMS has lost the course since its key was looked up. bulk_enroll would make rows for it all the same. */
function recordMissingCourse({ works, courses }: Batch): void {
  for (const work of works) {
    for (const course of courses) {
      record({ work, course, result: refused({ code: 'course.missing', subject: course }) })
    }
  }
}

function takeAnswer(
  { batch, breakers, route }: Pick<BatchContext, 'batch' | 'breakers'> & { route: BatchRoute },
  { proof, results }: BatchAnswer<'enroll'>,
): void {
  const resultOf = (work: Work, course: string): PersonResult => results.get(course)?.get(work.request.email) ?? 'error'
  if (!proof) {
    markSuspects(batch, { resultOf, api: NAMES[route.kind] })
    return
  }
  for (const course of batch.courses) breakers.succeeded(course)
  for (const work of batch.works) {
    work.part = null
    for (const course of batch.courses) conclude({ work, course, result: resultOf(work, course) })
  }
}

const NAMES = { bulk: 'bulk_enroll', modify: 'enrollments/modify' } as const

/**
 * Marks the works with an `error` as suspects. If none of ours has one, it can be about anyone, so all are suspects.
 */
function markSuspects(
  { works, courses }: Batch,
  { resultOf, api }: { resultOf: (work: Work, course: string) => PersonResult; api: string },
): void {
  const wrong = works.filter((work) => courses.some((course) => resultOf(work, course) === 'error'))
  for (const work of wrong.length > 0 ? wrong : works) {
    work.suspect = true
    work.firstError ??= `${api} answers \`error\` for this person`
  }
}

const PRIOR = {
  allowed_before: 'allowed_before',
  inactive: 'allowed_by_bulk',
  enrolled_and_allowed: 'enrolled_and_allowed',
  inactive_not_allowed: 'unasked',
  invalid: 'unasked',
  error: 'unasked',
} as const satisfies Partial<Record<PersonResult, PriorKnowledge>>

/**
 * Records the result of one person. One that needs further calls gets them singly, apart from the batch, whose other
 * people then don't wait for them. Until then, the effect of this call is unknown to the next attempt.
 */
function conclude({ work, course, result }: { work: Work; course: string; result: PersonResult }): void {
  if (result === 'enrolled' || result === 'allowed') record({ work, course, result: done(result) })
  else if (result === 'retired') {
    record({ work, course, result: refused({ code: 'person.retired', subject: '' }) })
  } else {
    work.prior.set(course, PRIOR[result])
    work.alone = true
    if (PRIOR[result] !== 'unasked') work.effectUnknown = true
  }
}
