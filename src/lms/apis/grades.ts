import { z } from 'zod'
import { type Answer, jsonOf, notUnderstood, readOk } from '../client/answer.ts'
import { type Endpoint, type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import { courseInPath } from './courses.ts'
import { groupsThatFit, listCanNameUser, PATH_BYTES } from './enrollment.ts'

const LIST_ENDPOINT: Endpoint = '/api/grades/v1/section_grades_breakdown/'
const ONE_ENDPOINT: Endpoint = '/api/grades/v1/courses/{course}/'

/**
 * The people of a call, and of a page: what the LMS puts on one by itself. It would take 100 names, but computes the grade
 * of each section for each of them.
 */
export const GRADES = 50

/** How far somebody has come in a course. */
export interface Grade {
  /** By the grading policy of the course, now. */
  readonly passed: boolean
  /** A whole number from 0, and as the LMS gives it: it can exceed 100. */
  readonly percent: number
}

const row = z.object({ course_id: z.string(), username: z.string(), passed: z.boolean(), current_grade: z.number() })
const page = z.object({ next: z.string().nullable(), results: z.array(row) })
const one = z.tuple([
  z.object({ course_id: z.string(), username: z.string(), passed: z.boolean(), percent: z.number() }),
])
const refusal = z.object({ error_code: z.string() })

/** Divides people into groups that each fit in one call for this course. All have names that listCanNameUser accepts. */
export const groupsForGrades = (of: { course: string; usernames: readonly string[] }): string[][] =>
  groupsThatFit(of.usernames, (usernames) => fits({ ...of, usernames }))

const fits = (of: { course: string; usernames: readonly string[] }): boolean =>
  of.usernames.length <= GRADES && pathOf(of).length <= PATH_BYTES

const pathOf = (of: { course: string; usernames: readonly string[] }): string =>
  `${LIST_ENDPOINT}?${new URLSearchParams({ course_id: of.course, username: of.usernames.join(',') })}`

/**
 * Requests the grades of these people in one course. Only staff may, and the LMS doesn't throttle it (quoted:
 * outcomes.json).
 * @throws Error for a name that listCanNameUser rejects, and for more than fit: see groupsForGrades
 */
export function gradesRequest(of: { course: string; usernames: readonly string[] }): LmsRequest {
  if (!of.usernames.every(listCanNameUser)) throw new Error('the LMS refuses a call with this user name')
  if (!fits(of)) throw new Error('too many people for one call: divide them into groups')
  return { method: 'GET', endpoint: LIST_ENDPOINT, path: pathOf(of), body: null }
}

/**
 * The grades by user name. Who has no active enrollment has none, and neither has somebody whose grade the LMS can't
 * compute (quoted: 'grades: nobody in it').
 */
export function judgeGrades(
  answer: Answer,
  asked: { course: string; usernames: readonly string[] },
): Judged<ReadonlyMap<string, Grade>> {
  const read = readOk(answer, LIST_ENDPOINT, page)
  if (!read.ok) return read
  const { next, results } = read.value
  const isAsked = results.every(
    ({ username, course_id: course }) => asked.usernames.includes(username) && course === asked.course,
  )
  if (next !== null || !isAsked) return notUnderstood(answer, LIST_ENDPOINT)
  return succeeded(
    new Map(results.map(({ username, passed, current_grade: percent }) => [username, { passed, percent }])),
  )
}

/** Requests the grade of one person, whatever the user name. */
export function gradeRequest(of: { course: string; username: string }): LmsRequest {
  const query = new URLSearchParams({ username: of.username })
  const path = `/api/grades/v1/courses/${courseInPath(of.course)}/?${query}`
  return { method: 'GET', endpoint: ONE_ENDPOINT, path, body: null }
}

/** null for who was never enrolled, and for no such person or course (quoted: 'grade: not enrolled', 'grade: unknown'). */
export function judgeGrade(answer: Answer, asked: { course: string; username: string }): Judged<Grade | null> {
  if (answer.status === 404 && refusal.safeParse(jsonOf(answer)).success) return succeeded(null)
  const read = readOk(answer, ONE_ENDPOINT, one)
  if (!read.ok) return read
  const [{ username, course_id: course, passed, percent }] = read.value
  if (username !== asked.username || course !== asked.course) return notUnderstood(answer, ONE_ENDPOINT)
  return succeeded({ passed, percent: Math.floor(percent * 100) })
}
