import { z } from 'zod'
import { type Answer, hasShape, lmsTime, notUnderstood, readOk } from '../client/answer.ts'
import { type Endpoint, type Judged, succeeded } from '../client/failure.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'
import { courseInPath } from './courses.ts'
import type { PersonInCourse } from './enrollment.ts'

const ENDPOINT: Endpoint = '/api/certificates/v0/certificates/{username}/courses/{course}/'

/**
 * The certificate of a person in a course.
 * - `issued`: the person can see it. `url` is as the LMS gives it, mostly a path; null if it gives none.
 * - `invalid`: there is one, and it doesn't count: it was invalidated, or the person no longer passes.
 * - `none`: the LMS has none for this user name.
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
const none = z.object({ error_code: z.literal('no_certificate_for_user') })
const hidden = z.object({ error_code: z.literal('no_certificate_configuration_for_course') })

/** Whether the LMS's route takes a user name (quoted: outcomes.json, USERNAME_PATTERN), and no proxy leads it elsewhere. */
export const certificateCanNameUser = (username: string): boolean =>
  /^[\p{L}\p{N}_ .@+-]+$/u.test(username) && !/^\.+$/.test(username)

/**
 * Requests the certificate of one person in one course. Only staff may ask for others, and the LMS doesn't throttle it
 * (quoted: outcomes.json). A certificate that is being made counts as passing (quoted: 'certificate: being made').
 * @throws Error for a name that certificateCanNameUser rejects
 */
export function certificateCall(of: PersonInCourse): LmsCall<Certificate> {
  if (!certificateCanNameUser(of.username)) throw new Error('the LMS has no address for this user name')
  const at = { username: encodeURIComponent(of.username), course: courseInPath(of.course) }
  return { ...getRequest(ENDPOINT, { at }), judge: (answer) => judgeCertificate(answer, of) }
}

function judgeCertificate(answer: Answer, asked: PersonInCourse): Judged<Certificate> {
  if (hasShape(answer, 404, none)) return succeeded({ status: 'none' })
  if (hasShape(answer, 404, hidden)) return succeeded({ status: 'unclear' })
  const read = readOk(answer, ENDPOINT, certificate)
  if (!read.ok) return read
  const { username, course_id: course, status, is_passing: isPassing, download_url: url, created_date } = read.value
  if (username !== asked.username || course !== asked.course) return notUnderstood(answer, ENDPOINT)
  if (status === 'downloadable') return succeeded({ status: 'issued', url, createdAt: created_date })
  return succeeded({ status: isPassing ? 'unclear' : 'invalid' })
}
