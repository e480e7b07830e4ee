import type { PersonResult } from '../openedx/batch-answer.ts'
import type { Permit } from '../openedx/budget.ts'
import type { Failure } from '../openedx/failure.ts'
import type { Batch } from './batches.ts'
import type { CourseBreakers } from './course-breakers.ts'
import { enrollSingly } from './enroll-singly.ts'
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
      const result = await singly({ ...context, work, course, prior: work.readFirst ? 'effect_unknown' : 'unasked' })
      if (result === null) break
      const isCourseFailure = result.kind === 'failure' && isInDoubt(result.failure) && isUp()
      if (isCourseFailure) breakers.failed(course, { people: [email], message: result.failure.message })
      if (showsThatCourseWorks(result)) breakers.succeeded(course)
      record({ work, course, result: withFirstError(work, result) })
    }
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

/**
 * Makes one bulk_enroll call for a batch, with `permit`, and the further calls that its people need. Records the
 * results in its works. A work without a result stays open and is marked, so that it gets another call, apart from the
 * people who may have caused the failure. HTTP 200 isn't success: each person is judged, and if any result has `error`,
 * the answer proves nothing (after a database deadlock, the LMS answers 200 and has rolled everything back).
 */
export async function enrollInBulk(of: BatchContext & { permit: Permit }): Promise<void> {
  const { batch, permit, breakers, isUp, ...context } = of
  const { courses, works } = batch
  const answer = await context.lms.bulkEnroll(permit, {
    action: 'enroll',
    courses,
    emails: works.map((work) => work.request.email),
    reason: 'Lernito',
    emailStudents: false,
  })
  if (!answer.ok) {
    const { failure } = answer
    if (isInDoubt(failure) && isUp()) await splitFailedBatch({ batch, failure, breakers, lms: context.lms })
    else failAll({ works, courses, failure })
    return
  }
  const { proof, results } = answer.value
  const resultOf = (work: Work, course: string): PersonResult => results.get(course)?.get(work.request.email) ?? 'error'
  if (!proof) return markSuspects(batch, resultOf)
  for (const course of courses) breakers.succeeded(course)
  for (const work of works) {
    work.part = null
    for (const course of courses) {
      const result = await conclude({ ...context, work, course, inBulk: resultOf(work, course) })
      if (result === null) break
      record({ work, course, result })
    }
  }
}

/**
 * Marks the works with an `error` as suspects. If none of ours has one, it can be about anyone, so all are suspects.
 */
function markSuspects({ works, courses }: Batch, resultOf: (work: Work, course: string) => PersonResult): void {
  const wrong = works.filter((work) => courses.some((course) => resultOf(work, course) === 'error'))
  for (const work of wrong.length > 0 ? wrong : works) {
    work.suspect = true
    work.firstError ??= 'bulk_enroll answers `error` for this person'
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

async function conclude({
  work,
  course,
  inBulk,
  ...context
}: SinglyContext & { inBulk: PersonResult }): Promise<PairResult | null> {
  if (inBulk === 'enrolled' || inBulk === 'allowed') return done(inBulk)
  if (inBulk === 'retired') return refused({ code: 'person.retired', subject: '' })
  return singly({ ...context, work, course, prior: PRIOR[inBulk] })
}

interface SinglyContext extends Pick<BatchContext, 'lms' | 'acquireFor'> {
  readonly work: Work
  readonly course: string
}

/** null if the work was stopped between two calls. */
async function singly({
  lms,
  acquireFor,
  work,
  course,
  prior,
}: SinglyContext & { prior: PriorKnowledge }): Promise<PairResult | null> {
  try {
    const acquire = (): Promise<Permit> => acquireFor(work)
    return await enrollSingly({ lms, acquire, email: work.request.email, course, prior })
  } catch (error) {
    if (error !== STOPPED) throw error
    stop(work)
    return null
  }
}
