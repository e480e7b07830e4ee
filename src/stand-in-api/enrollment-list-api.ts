import { type Answer, timestamp } from '../stand-in/answers.ts'
import { fold } from '../stand-in/collation.ts'
import { parseCourseKey } from '../stand-in/course-keys.ts'
import type { Call, View } from './views.ts'

const maxPageSize = 100

/** GET /api/enrollment/v1/enrollments, staff only. Rules: recordings, enrollment-v1.json and registration.json. */
export const enrollmentListViews: View[] = [
  {
    url: '/api/enrollment/v1/enrollments',
    pattern: '/api/enrollment/v1/enrollments',
    accepts: 'jwt_or_bearer',
    access: 'staff',
    errors: 'developer_message',
    throttled: 'enrolling',
    handlers: { GET: listEnrollments },
  },
]

const list = (text: string | null) => text?.split(',').map((item) => item.trim()) ?? null

/** Active and inactive enrollments, newest first, by course, usernames or e-mail addresses, in pages with a cursor. */
function listEnrollments({ query, context, host }: Call): Answer {
  const { state } = context
  const courseId = query.get('course_id')
  const key = courseId ? parseCourseKey(courseId) : null
  if (courseId && !key) {
    const developer_message = `'${courseId}' is not a valid course id.`
    return { status: 400, body: { field_errors: { course_id: { developer_message } } } }
  }
  const usernames = list(query.get('username'))?.map(fold)
  const emails = list(query.get('email'))?.map(fold)
  const cursor = query.get('cursor')
  const before = cursor === null ? Number.POSITIVE_INFINITY : Number(Buffer.from(cursor, 'base64url').toString())
  if (Number.isNaN(before)) return { status: 404, body: { developer_message: 'Invalid cursor' } }
  const asked = Number(query.get('page_size'))
  const size = asked >= 1 ? Math.min(Math.floor(asked), maxPageSize) : maxPageSize
  const rows = state.listEnrollments().flatMap((row) => {
    const person = state.findPerson({ id: row.personId })
    // An enrollment in a course that doesn't exist is left out (recorded: sequence-modify.json, 251).
    if (!person || !state.findCourse(row.course) || (key && fold(row.course) !== fold(key.id))) return []
    if (usernames && !usernames.includes(fold(person.username))) return []
    if (emails && !emails.includes(fold(person.email))) return []
    return row.id < before ? [{ ...row, username: person.username }] : []
  })
  rows.reverse()
  const page = rows.slice(0, size)
  const last = page.at(-1)
  const next = new URLSearchParams(query)
  if (last) next.set('cursor', Buffer.from(String(last.id)).toString('base64url'))
  next.sort()
  return {
    status: 200,
    body: {
      next: rows.length > size ? `http://${host}/api/enrollment/v1/enrollments?${next}` : null,
      previous: null,
      results: page.map(({ created, mode, active, username, course }) => {
        return { created: timestamp(created), mode, is_active: active, user: username, course_id: course }
      }),
    },
  }
}
