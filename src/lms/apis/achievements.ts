import { z } from 'zod'
import { hasShape, judgeOk, lmsTime } from '../client/answer.ts'
import { succeeded } from '../client/failure.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'
import { courseInPath } from './courses.ts'
import type { PersonInCourse } from './enrollment.ts'
import { type PeopleOfCourse, peopleRequests } from './people-lists.ts'

const GRADES_ENDPOINT = '/api/grades/v1/section_grades_breakdown/'
const GRADE_ENDPOINT = '/api/grades/v1/courses/{course}/'
const CERTIFICATES_ENDPOINT = '/api/certificates/v0/certificates/{username}/'
const CERTIFICATE_ENDPOINT = '/api/certificates/v0/certificates/{username}/courses/{course}/'

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
/** The only page: everybody who is asked for fits on it. */
const page = z.object({ next: z.null(), results: z.array(row) })
const one = z.tuple([
  z.object({ course_id: z.string(), username: z.string(), passed: z.boolean(), percent: z.number() }),
])
const refusal = z.object({ error_code: z.string() })

const LIST = peopleRequests({ endpoint: GRADES_ENDPOINT, most: GRADES })

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
  judge: (answer) =>
    judgeOk(answer, page, ({ results }) => {
      if (!results.every((row) => of.usernames.includes(row.username) && row.course_id === of.course)) return undefined
      return new Map(results.map(({ username, passed, current_grade: percent }) => [username, { passed, percent }]))
    }),
})

/**
 * Requests the grade of one person, whatever the user name. null for who was never enrolled, and for no such person or
 * course (quoted: 'grade: not enrolled', 'grade: unknown').
 */
export const gradeCall = (of: PersonInCourse): LmsCall<Grade | null> => ({
  ...getRequest(GRADE_ENDPOINT, { at: { course: courseInPath(of.course) }, query: { username: of.username } }),
  judge: (answer) => {
    if (hasShape(answer, 404, refusal)) return succeeded(null)
    return judgeOk(answer, one, ([row]) =>
      isAbout(of, row) ? { passed: row.passed, percent: Math.floor(row.percent * 100) } : undefined,
    )
  },
})

/** Whether the LMS answers about the person and the course that were asked for. */
const isAbout = (asked: PersonInCourse, row: { readonly username: string; readonly course_id: string }): boolean =>
  row.username === asked.username && row.course_id === asked.course

/**
 * The certificate of a person in a course.
 * - `issued`: it was made and counts; shownCertificatesCall tells whether the person can see it yet. `url` is as the LMS
 *   gives it, mostly a path; null if it gives none.
 * - `invalid`: there is one, and it doesn't count: it was invalidated, or the person no longer passes.
 * - `none`: the LMS has none for this user name, or has deleted the course (quoted: 'certificate: of a deleted course').
 * - `unclear`: one that is being made, or that nobody can see because the course has no certificate now.
 */
export type Certificate =
  | { readonly status: 'issued'; readonly url: string | null; readonly createdAt: number }
  | { readonly status: 'invalid' | 'none' | 'unclear' }

const certificate = z.object({
  username: z.string(),
  course_id: z.string(),
  created_date: lmsTime,
  status: z.string(),
  is_passing: z.boolean(),
  download_url: z.string().nullable(),
})
const noCertificate = z.object({ error_code: z.literal('no_certificate_for_user') })
const hidden = z.object({ error_code: z.literal('no_certificate_configuration_for_course') })

/** Whether the LMS's route takes a user name (quoted: outcomes.json, USERNAME_PATTERN), and no proxy leads it elsewhere. */
export const certificateCanNameUser = (username: string): boolean =>
  /^[\p{L}\p{N}_ .@+-]+$/u.test(username) && !/^\.+$/.test(username)

/** Where the APIs of certificates have their people. @throws Error for a name that certificateCanNameUser rejects */
function personInPath(username: string): string {
  if (!certificateCanNameUser(username)) throw new Error('the LMS has no address for this user name')
  return encodeURIComponent(username)
}

const shown = z.array(z.object({ username: z.string(), course_id: z.string() }))

/**
 * Requests the courses whose certificates a person can see now. If the pace of a course is set by its team, that is mostly
 * from its end on; until then the page of a certificate says that there is none (openedx/openedx-platform at
 * e57a655d77b6: certificates_viewable_for_course of lms/djangoapps/certificates/api.py). Only staff may, and the LMS doesn't
 * throttle it (quoted: outcomes.json). Empty for nobody.
 * @throws Error for a name that certificateCanNameUser rejects
 */
export const shownCertificatesCall = (of: { username: string }): LmsCall<ReadonlySet<string>> => ({
  ...getRequest(CERTIFICATES_ENDPOINT, { at: { username: personInPath(of.username) } }),
  judge: (answer) =>
    judgeOk(answer, shown, (rows) =>
      rows.every(({ username }) => username === of.username)
        ? new Set(rows.map(({ course_id: course }) => course))
        : undefined,
    ),
})

/**
 * Requests the certificate of one person in one course. Only staff may ask for others, and the LMS doesn't throttle it
 * (quoted: outcomes.json). A certificate that is being made counts as passing (quoted: 'certificate: being made').
 * @throws Error for a name that certificateCanNameUser rejects
 */
export function certificateCall(of: PersonInCourse): LmsCall<Certificate> {
  const at = { username: personInPath(of.username), course: courseInPath(of.course) }
  return {
    ...getRequest(CERTIFICATE_ENDPOINT, { at }),
    judge: (answer) => {
      if (hasShape(answer, 404, noCertificate)) return succeeded({ status: 'none' })
      if (hasShape(answer, 404, hidden)) return succeeded({ status: 'unclear' })
      return judgeOk(answer, certificate, (row): Certificate | undefined => {
        if (!isAbout(of, row)) return undefined
        const { status, is_passing: isPassing, download_url: url, created_date: createdAt } = row
        return status === 'downloadable'
          ? { status: 'issued', url, createdAt }
          : { status: isPassing ? 'unclear' : 'invalid' }
      })
    },
  }
}
