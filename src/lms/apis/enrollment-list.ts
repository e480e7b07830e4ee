import { z } from 'zod'
import { type Answer, judgeOther, notUnderstood, readAs } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'

/** Without a slash at the end, as recorded. */
const ENDPOINT = '/api/enrollment/v1/enrollments'
/** The most that the LMS puts on a page. */
const PAGE_SIZE = 100

/** The most people of one course in a call: the LMS refuses more (recorded: people-lists.json, '101 user names'). */
const USERNAMES = 100
/**
 * The longest path, in bytes. gunicorn refuses a request line of more than 4,094 (recorded there, '100 long addresses');
 * the difference is for a path in LERNITO_LMS_URL.
 */
export const PATH_BYTES = 3800

/** A row of CourseEnrollment. It stays after unenrolling, with `active` false. */
export interface EnrollmentRow {
  readonly username: string
  readonly course: string
  readonly active: boolean
  readonly mode: string
  /** When the person was first enrolled, in ms since 1970. */
  readonly created: number
}

const row = z.object({
  created: z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
  mode: z.string(),
  is_active: z.boolean(),
  user: z.string(),
  course_id: z.string(),
})
const page = z.object({ next: z.string().nullable(), results: z.array(row) })

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
  return succeeded({ rows: results.map(rowOf), whole: next === null })
}

const rowOf = ({ user, course_id, is_active, mode, created }: z.infer<typeof row>): EnrollmentRow => {
  return { username: user, course: course_id, active: is_active, mode, created }
}

/**
 * Whether the list of a course can be requested for a user name. For one name with other characters, the LMS refuses the
 * whole call (recorded: people-lists.json, 'an invalid user name among them …').
 */
export const listCanNameUser = (username: string): boolean => /^[A-Za-z0-9_-]+$/.test(username)

/** Divides people into groups that each fit in one call for this course. All have names that listCanNameUser accepts. */
export function groupsForCourseList(of: { course: string; usernames: readonly string[] }): string[][] {
  const groups: string[][] = []
  for (const username of of.usernames) {
    const last = groups.at(-1)
    const joined = [...(last ?? []), username]
    if (last !== undefined && fitsInCourseList({ course: of.course, usernames: joined })) last.push(username)
    else groups.push([username])
  }
  return groups
}

const fitsInCourseList = (of: { course: string; usernames: readonly string[] }): boolean =>
  of.usernames.length <= USERNAMES && courseListPath(of).length <= PATH_BYTES

function courseListPath(of: { course: string; usernames: readonly string[] }): string {
  const { course, usernames } = of
  const query = new URLSearchParams({
    course_id: course,
    username: usernames.join(','),
    page_size: String(PAGE_SIZE),
  })
  return `${ENDPOINT}?${query}`
}

/**
 * Requests the enrollments of these people in one course.
 * @throws Error for a name that listCanNameUser rejects, and for more than fit: see groupsForCourseList
 */
export function courseEnrollmentListRequest(of: { course: string; usernames: readonly string[] }): LmsRequest {
  if (!of.usernames.every(listCanNameUser)) throw new Error('the LMS refuses a call with this user name')
  if (!fitsInCourseList(of)) throw new Error('too many people for one call: divide them into groups')
  return { method: 'GET', endpoint: ENDPOINT, path: courseListPath(of), body: null }
}

/** At most one row for each person: someone who was never enrolled has none (recorded: 'by user names and course'). */
export function judgeCourseEnrollmentList(
  answer: Answer,
  asked: { course: string; usernames: readonly string[] },
): Judged<readonly EnrollmentRow[]> {
  const listed = judgeEnrollmentList(answer)
  if (!listed.ok) return listed
  const { rows, whole } = listed.value
  const names = new Set(asked.usernames)
  const isAsked = rows.every(({ username, course }) => names.has(username) && course === asked.course)
  return whole && isAsked ? succeeded(rows) : notUnderstood(answer, ENDPOINT)
}
