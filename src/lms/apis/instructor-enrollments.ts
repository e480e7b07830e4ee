import { z } from 'zod'
import { canBeCourse } from '../../sale/course-key.ts'
import { type Answer, hasShape, jsonOf, judgeOk, judgeOther } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import { getRequest, jsonRequest, type LmsCall } from '../client/transport.ts'
import { isSameAddress } from './accounts.ts'
import { type BatchAnswer, type BatchCall, batchAnswer, identifiersOf, people } from './batch-answer.ts'
import { courseInPath } from './courses.ts'

/** No slash at the end: with one, the LMS has no such page (recorded: enrollments-modify.json, 'trailing slash'). */
const ENDPOINT = '/api/instructor/v2/courses/{course}/enrollments/modify'
/** The LMS looks at the authorization first, so any key of the right form will do (recorded: 'a placeholder key …'). */
const PLACEHOLDER = 'course-v1:x+y+z'

/** More people in a call gain nothing (recorded: costs-2.json), and the LMS works on them in one transaction. */
export const MODIFY_PEOPLE = 50

export interface ModifyCall extends BatchCall {
  /** The true key of the course: another letter case gets 404. modifyCanName has to accept it. */
  readonly course: string
}

/**
 * Whether modify may be called for a course. An old-style key gets 404, although bulk_enroll and the enrollment API take
 * it (recorded: enrollments-modify.json, 'an old-style key …'). No CCX was recorded.
 */
export const modifyCanName = (course: string): boolean => course.startsWith('course-v1:') && canBeCourse(course)

const modified = z.object({
  action: z.literal('enroll'),
  auto_enroll: z.literal(true),
  results: people,
})
const missing = z.object({ developer_message: z.string().startsWith('Course not found') })

/**
 * Asks whether the LMS has enrollments/modify, and changes nothing. It is there if the LMS asks for authorization
 * (recorded: 'no authorization, empty body (the cheapest probe)'). Without the view, the answer is an HTML page with 404.
 * Another 4xx comes from something in front of the LMS that lets no such call through, so the other APIs are used.
 */
export const MODIFY_AVAILABLE: LmsCall<boolean> = {
  ...getRequest(ENDPOINT, { at: { course: courseInPath(PLACEHOLDER) } }),
  method: 'POST',
  judge: (answer) => {
    const { status } = answer
    if (status === 401 && jsonOf(answer) !== undefined) return succeeded(true)
    if (status >= 400 && status < 500 && status !== 429) return succeeded(false)
    return judgeOther(answer)
  },
}

/**
 * Enrolls people in one course; null if the LMS has no such course: it changed nothing. auto_enroll is always sent: without
 * it, enrolling again breaks an allowance (recorded: 'again with auto_enroll false: broken again').
 * @throws Error for an address that batchCanName rejects, a course that modifyCanName rejects, and too many people
 */
export function modifyCall(of: ModifyCall): LmsCall<BatchAnswer | null> {
  const { course, reason, emailStudents } = of
  if (!modifyCanName(course)) throw new Error('enrollments/modify does not take this course key')
  const identifier = identifiersOf(of)
  if (identifier.length > MODIFY_PEOPLE) throw new Error(`enrollments/modify is for ${MODIFY_PEOPLE} people a call`)
  const body = { action: 'enroll', auto_enroll: true, email_students: emailStudents, identifier, reason }
  return {
    // The LMS takes an encoded key (recorded: enrollments-modify.json, 'key percent-encoded').
    ...jsonRequest({ endpoint: ENDPOINT, at: { course: courseInPath(course) }, body }),
    judge: (answer) => judgeModify(answer, of),
  }
}

/**
 * The results of a call, by position: the LMS spells an address in its answer in its own way (recorded: 'white space
 * around items is cut off, also in the answer').
 */
export function judgeModify(answer: Answer, call: ModifyCall): Judged<BatchAnswer | null> {
  if (hasShape(answer, 404, missing)) return succeeded(null)
  const emails = identifiersOf(call)
  return judgeOk(answer, modified, ({ results: rows }) => {
    // An answer in another order was never recorded: it would give people the results of others.
    const isInOrder =
      rows.length === emails.length && rows.every((row, i) => isSameAddress(row.identifier, emails[i] ?? ''))
    const named = rows.map((row, i) => ({ ...row, identifier: emails[i] ?? row.identifier }))
    return isInOrder ? batchAnswer(call, new Map([[call.course, named]])) : undefined
  })
}
