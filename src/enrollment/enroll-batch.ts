import type { Permit } from '../openedx/budget.ts'
import type { PersonResult } from '../openedx/bulk-enroll.ts'
import type { Batch } from './batches.ts'
import { enrollSingly } from './enroll-singly.ts'
import type { CallContext, Standing } from './pair.ts'
import { done, failed, type PairResult, record, refused, type Work } from './work.ts'

/** Enrolls a batch person by person and course by course. What came of it is recorded in its works. */
export async function enrollOneByOne({ batch, ...context }: CallContext & { batch: Batch }): Promise<void> {
  for (const work of batch.works) {
    for (const course of batch.courses) {
      const result = await enrollSingly({ ...context, email: work.request.email, course, standing: 'unasked' })
      record({ work, course, result })
    }
  }
}

/**
 * Enrolls a batch with one bulk_enroll call (for which `permit` is used) and whatever calls its people need besides.
 * What came of it is recorded in its works. HTTP 200 isn't success: each person is judged, and if any result has
 * `error`, nothing of the answer is proof (a database deadlock leaves 200 and keeps nothing). An HTTP 500 may be about
 * one person only: the batch is halved until that one is alone, and holds up nobody else.
 */
export async function enrollInBulk({
  batch,
  permit,
  ...context
}: CallContext & { batch: Batch; permit: Permit }): Promise<void> {
  const { courses, works } = batch
  const answer = await context.lms.bulkEnroll(permit, { courses, emails: works.map((work) => work.request.email) })
  if (!answer.ok && answer.failure.status === 500 && works.length > 1) {
    const middle = Math.ceil(works.length / 2)
    await sendAgain({ ...context, courses, works: works.slice(0, middle) })
    await sendAgain({ ...context, courses, works: works.slice(middle) })
    return
  }
  if (!answer.ok) {
    for (const work of works) for (const course of courses) record({ work, course, result: failed(answer.failure) })
    return
  }
  const { proof, results } = answer.value
  const resultOf = (work: Work, course: string): PersonResult => results.get(course)?.get(work.request.email) ?? 'error'
  if (!proof) return enrollAfterError({ ...context, batch, resultOf })
  for (const work of works) {
    for (const course of courses) {
      record({ work, course, result: await conclude({ ...context, work, course, said: resultOf(work, course) }) })
    }
  }
}

/** The others are sent again without those that have an `error`, which go singly. */
async function enrollAfterError({
  batch: { courses, works },
  resultOf,
  ...context
}: CallContext & { batch: Batch; resultOf: (work: Work, course: string) => PersonResult }): Promise<void> {
  const hasError = (work: Work): boolean => courses.some((course) => resultOf(work, course) === 'error')
  const wrong = works.filter(hasError)
  // Where none of ours has one, nobody knows whom it is about.
  const alone = wrong.length > 0 ? wrong : works
  const others = works.filter((work) => !alone.includes(work))
  if (others.length > 0) await sendAgain({ ...context, courses, works: others })
  await enrollOneByOne({ ...context, batch: { courses, works: alone } })
}

async function sendAgain({ courses, works, ...context }: CallContext & Batch): Promise<void> {
  const permit = await context.acquire()
  await enrollInBulk({ ...context, batch: { courses, works }, permit })
}

const STANDING = {
  allowed_before: 'allowed_before',
  inactive: 'allowed_by_bulk',
  enrolled_and_allowed: 'enrolled_and_allowed',
  inactive_not_allowed: 'unasked',
  invalid: 'unasked',
  error: 'unasked',
} as const satisfies Partial<Record<PersonResult, Standing>>

async function conclude({
  work,
  course,
  said,
  ...context
}: CallContext & { work: Work; course: string; said: PersonResult }): Promise<PairResult> {
  if (said === 'enrolled' || said === 'allowed') return done(said)
  if (said === 'retired') return refused({ code: 'person.retired', subject: '' })
  return enrollSingly({ ...context, email: work.request.email, course, standing: STANDING[said] })
}
