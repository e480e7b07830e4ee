import { z } from 'zod'
import { type Answer, judgeOther, notUnderstood, readAs } from './answer.ts'
import { type Judged, succeeded } from './failure.ts'
import type { LmsRequest } from './transport.ts'

/** Without a slash at the end, as recorded. */
const ENDPOINT = '/api/enrollment/v1/enrollments'
/** The most that the LMS puts on a page. */
const PAGE_SIZE = 100

/** A row of CourseEnrollment. It stays after unenrolling, with `active` false. */
export interface EnrollmentRow {
  readonly course: string
  readonly active: boolean
}

const page = z.object({
  next: z.string().nullable(),
  results: z.array(z.object({ course_id: z.string(), is_active: z.boolean() })),
})

/**
 * Whether the list can be requested for an address: the LMS splits the parameter at commas (recorded:
 * lms-newer/people-lists.json, 'enrollments by e-mail addresses').
 */
export const listCanName = (email: string): boolean => !email.includes(',')

/** Requests all enrollments of the account that the LMS finds for this address, regardless of letter case. */
export function enrollmentListRequest(of: { email: string }): LmsRequest {
  const query = new URLSearchParams({ email: of.email, page_size: String(PAGE_SIZE) })
  return { method: 'GET', endpoint: ENDPOINT, path: `${ENDPOINT}?${query}`, body: null }
}

/**
 * The list is empty if no account has the address (recorded: sequence.json, 396). `whole` is false if there are more
 * than 100 enrollments: the rows are then the newest ones.
 */
export function judgeEnrollmentList(
  answer: Answer,
): Judged<{ readonly rows: readonly EnrollmentRow[]; readonly whole: boolean }> {
  if (answer.status !== 200) return judgeOther(answer, ENDPOINT)
  const read = readAs(answer, ENDPOINT, page)
  if (!read.ok) return read
  const { next, results } = read.value
  if (results.length > PAGE_SIZE) return notUnderstood(answer, ENDPOINT)
  return succeeded({
    rows: results.map(({ course_id: course, is_active: active }) => ({ course, active })),
    whole: next === null,
  })
}
