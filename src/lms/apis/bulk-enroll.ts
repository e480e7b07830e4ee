import { z } from 'zod'
import { type Answer, jsonOf, judgeAvailable, judgeOk, judgeOther } from '../client/answer.ts'
import { failed, type Judged } from '../client/failure.ts'
import { getRequest, jsonRequest, type LmsCall } from '../client/transport.ts'
import { type BatchAnswer, type BatchCall, batchAnswer, identifiersOf, people } from './batch-answer.ts'

/** No slash at the end: with one, the LMS has no such page (recorded: bulk-enroll.json, 'trailing slash'). */
const ENDPOINT = '/api/bulk_enroll/v1/bulk_enroll'

export interface BulkCall extends BatchCall {
  readonly courses: readonly string[]
}

const bulk = z.object({
  courses: z.record(
    z.string(),
    z.object({ action: z.literal('enroll'), auto_enroll: z.literal(true), results: people }),
  ),
})

/**
 * Asks whether the LMS has FEATURES['ENABLE_BULK_ENROLLMENT_VIEW'] on (recorded: bulk-enroll.json, 'GET, no authorization';
 * bulk-enroll-off.json, 'GET, when the flag is off, …'). Needs no authorization, so it doesn't count against the throttle.
 */
export const BULK_AVAILABLE: LmsCall<boolean> = { ...getRequest(ENDPOINT), judge: judgeAvailable }

/**
 * Enrolls every person in every course. With auto_enroll, that gives people without an account an allowance, or repairs
 * theirs.
 * @throws Error for an address that batchCanName rejects
 */
export function bulkEnrollCall(of: BulkCall): LmsCall<BatchAnswer> {
  const body = {
    action: 'enroll',
    auto_enroll: true,
    email_students: of.emailStudents,
    courses: of.courses.join(','),
    identifiers: identifiersOf(of).join(','),
    reason: of.reason,
  }
  return { ...jsonRequest({ endpoint: ENDPOINT, body }), judge: (answer) => judgeBulkEnroll(answer, of) }
}

/** If the answer leaves out a person or course of the call, the whole answer counts as not understood. */
export function judgeBulkEnroll(answer: Answer, call: BulkCall): Judged<BatchAnswer> {
  if (answer.status === 400) return judgeRefusal(answer)
  return judgeOk(answer, bulk, ({ courses }) => {
    const answered = new Map(Object.entries(courses))
    return batchAnswer(call, new Map(call.courses.map((key) => [key, answered.get(key)?.results ?? []])))
  })
}

const badCourses = z.object({ courses: z.array(z.string()).min(1) })

/**
 * Recorded: bulk-enroll.json, 'malformed key'. Other complaints in a 400 are about our request, not about a course.
 * The message goes into the delivery of each person in the call, so an address in it would be shown to the others.
 */
function judgeRefusal(answer: Answer): Judged<never> {
  const read = badCourses.safeParse(jsonOf(answer))
  if (!read.success) return judgeOther(answer)
  const complaint = read.data.courses.join('; ')
  const message = complaint.includes('@')
    ? 'bulk_enroll refuses the course, in a message that names a person'
    : complaint
  return failed({ kind: 'refused', ...answer, message })
}
