import type { Batch } from './batches.ts'
import type { Work } from './work.ts'

/**
 * Whether the LMS may mail this person about these courses. Each call with email_students mails again (recorded:
 * lms-newer/email-students.json, 'modify: the same again: both are mailed again'), and a mail stays sent if the LMS rolls
 * the call back (recorded there, 'bulk: no such course with email_students …'). So only the first call that can have an
 * effect mails: not a repeat or a replay of a sale that was enrolled before, and not after a call of unknown effect.
 */
function mayMail({ delivery, effectUnknown, mailed }: Work, courses: readonly string[]): boolean {
  return delivery.enrolledAt === null && !effectUnknown && !courses.some((course) => mailed.has(course))
}

/**
 * The part of a batch that goes in one call: with LERNITO_EMAIL_STUDENTS, all of its people are mailed, or none. The
 * others stay open for the next call.
 */
export function partToMail(
  batch: Batch,
  { emailStudents }: { emailStudents: boolean },
): { batch: Batch; mail: boolean } {
  const [first] = batch.works
  if (!emailStudents || first === undefined) return { batch, mail: false }
  const mail = mayMail(first, batch.courses)
  const works = batch.works.filter((work) => mayMail(work, batch.courses) === mail)
  return { batch: { ...batch, works }, mail }
}

/** Notes that the call mails them. Runs before the call. */
export function noteMails({ works, courses }: Batch): void {
  for (const work of works) for (const course of courses) work.mailed.add(course)
}
