import { z } from 'zod'
import { canBeCourse, courseIdentity, parentOfCcx } from '../../sale/course-key.ts'
import { hasShape, readOk } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import type { Ask } from '../client/token.ts'
import { getRequest, type LmsCall } from '../client/transport.ts'

const ENDPOINT = '/api/courses/v1/courses/{course}'

/** The field in which the LMS has the key of a course. */
export const courseKey = z.string().refine(canBeCourse)
/** Reads a course of the LMS. `key` is the true key, as the LMS spells it: in its letter case, without branch and version. */
export const COURSE = z.object({ course_id: courseKey }).transform(({ course_id: key }) => ({ key }))
export type Course = Readonly<z.output<typeof COURSE>>
const missing = z.object({ developer_message: z.string() })

/**
 * A course key in a path. The slashes of an old-style key stay (recorded: courses.json, 'an old-style key'). All other
 * characters that could end the path or lead out of it are encoded (recorded: 'a course, key percent-encoded').
 * @throws Error for a key that no course can have; check it with canBeCourse
 */
export function courseInPath(key: string): string {
  if (!canBeCourse(key)) throw new Error('no course can have this key, and its path would lead elsewhere')
  return key.split('/').map(encodeURIComponent).join('/')
}

/**
 * Requests a course as the service user sees it: without `username`, a course that only staff may see can be missing.
 * `shape` reads what the caller needs of it; null if there is none (recorded: courses.json, 'a course', 'no such course').
 * @throws Error for a key that canBeCourse rejects: the LMS answers it with the same page as a wrong LERNITO_LMS_URL
 * (recorded: courses.json, 'a malformed key', 'a library key')
 */
export const courseCall = <Found>(of: {
  key: string
  username: string
  shape: z.ZodType<Found>
}): LmsCall<Found | null> => ({
  ...getRequest(ENDPOINT, { at: { course: courseInPath(of.key) }, query: { username: of.username } }),
  judge: (answer) => (hasShape(answer, 404, missing) ? succeeded(null) : readOk(answer, of.shape)),
})

/**
 * Looks up a key in the LMS; null for one that no course can have. An LMS with CCX off answers 500 for every ccx-v1
 * key, where the original says that there is no such course (recorded: lernito-webhook.json, 'ccx key'). So the result
 * is null after a 500 for such a key if the LMS answers for the course that the CCX was made from, and then fails for the
 * key again. It is also null if the LMS finds another course, whose key its database takes for this one: see
 * courseIdentity.
 * @param from.serviceUser the user as whom to look
 * @param from.ask makes a call
 * @param from.shape reads of the course what the caller needs
 */
export async function lookUpCourse<Found extends Course>(from: {
  key: string
  serviceUser: () => Promise<Judged<{ readonly username: string }>>
  ask: Ask
  shape: z.ZodType<Found>
}): Promise<Judged<Found | null>> {
  const user = await from.serviceUser()
  if (!user.ok) return user
  const { username } = user.value
  const askFor = async (key: string): Promise<Judged<Found | null>> => {
    if (!canBeCourse(key)) return succeeded(null)
    const found = await from.ask(courseCall({ key, username, shape: from.shape }))
    const isOther = found.ok && found.value !== null && courseIdentity(found.value.key) !== courseIdentity(key)
    return isOther ? succeeded(null) : found
  }
  const isBroken = (judged: Judged<Found | null>): boolean => !judged.ok && judged.failure.status === 500
  const found = await askFor(from.key)
  const parent = parentOfCcx(from.key)
  if (parent === null || !isBroken(found) || !(await askFor(parent)).ok) return found
  const again = await askFor(from.key)
  return isBroken(again) ? succeeded(null) : again
}
