import { z } from 'zod'
import { hasShape, notUnderstood, readOk } from '../client/answer.ts'
import { type Endpoint, succeeded } from '../client/failure.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'
import { courseInPath } from './courses.ts'
import { type PeopleOfCourse, type PersonInCourse, peopleRequests } from './enrollment.ts'

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

const LIST = peopleRequests({ endpoint: LIST_ENDPOINT, most: GRADES })

/** Divides people into groups that each fit in one call for this course. All have names that listCanNameUser accepts. */
export const groupsForGrades = LIST.groups

/**
 * Requests the grades of these people in one course, by user name. Only staff may, and the LMS doesn't throttle it (quoted:
 * outcomes.json). Who has no active enrollment has none, and neither has somebody whose grade the LMS can't compute
 * (quoted: 'grades: nobody in it').
 * @throws Error for a name that listCanNameUser rejects, and for more than fit: see groupsForGrades
 */
export const gradesCall = (of: PeopleOfCourse): LmsCall<ReadonlyMap<string, Grade>> => ({
  ...LIST.request(of),
  judge: (answer) => {
    const read = readOk(answer, LIST_ENDPOINT, page)
    if (!read.ok) return read
    const { next, results } = read.value
    const isAsked = results.every(
      ({ username, course_id: course }) => of.usernames.includes(username) && course === of.course,
    )
    if (next !== null || !isAsked) return notUnderstood(answer, LIST_ENDPOINT)
    return succeeded(
      new Map(results.map(({ username, passed, current_grade: percent }) => [username, { passed, percent }])),
    )
  },
})

/**
 * Requests the grade of one person, whatever the user name. null for who was never enrolled, and for no such person or
 * course (quoted: 'grade: not enrolled', 'grade: unknown').
 */
export const gradeCall = (of: PersonInCourse): LmsCall<Grade | null> => ({
  ...getRequest(ONE_ENDPOINT, { at: { course: courseInPath(of.course) }, query: { username: of.username } }),
  judge: (answer) => {
    if (hasShape(answer, 404, refusal)) return succeeded(null)
    const read = readOk(answer, ONE_ENDPOINT, one)
    if (!read.ok) return read
    const [{ username, course_id: course, passed, percent }] = read.value
    if (username !== of.username || course !== of.course) return notUnderstood(answer, ONE_ENDPOINT)
    return succeeded({ passed, percent: Math.floor(percent * 100) })
  },
})
