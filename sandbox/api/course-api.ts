import { type Answer, errorPage, forbidden, wholeSeconds } from '../lms/answers.ts'
import { looksLikeCourseKey, parseCourseKey } from '../lms/course-keys.ts'
import type { Course } from '../lms/world.ts'
import type { Call, View } from './view.ts'

const defaultPageSize = 10
const maxPageSize = 100
const months = ['Jan.', 'Feb.', 'March', 'April', 'May', 'June', 'July', 'Aug.', 'Sept.', 'Oct.', 'Nov.', 'Dec.']

/** GET /api/courses/v1/courses/ and /api/courses/v1/courses/{id}. Rules: recordings, courses.json. */
export const courseViews: View[] = [
  {
    url: '/api/courses/v1/courses/*',
    pattern: '/api/courses/v1/courses/{id}',
    accepts: 'jwt_or_bearer',
    access: 'anyone',
    errors: 'developer_message',
    throttled: false,
    handlers: { GET: readCourse },
  },
  {
    url: '/api/courses/v1/courses/',
    accepts: 'jwt_or_bearer',
    access: 'anyone',
    errors: 'developer_message',
    throttled: 'course_list',
    handlers: { GET: listCourses },
  },
]

/** Only staff may ask for the courses that another person sees. */
function mayAskFor({ caller, query }: Call): boolean {
  const username = query.get('username')
  return !username || caller?.staff === true || caller?.username === username
}

function readCourse(call: Call): Answer {
  const key = (call.params['*'] ?? '').replace(/\/$/, '')
  if (!looksLikeCourseKey(key)) return errorPage(404)
  const parsed = parseCourseKey(key)
  if (!parsed) {
    const developer_message = `'${key}' is not a valid course key.`
    return { status: 400, body: { field_errors: { course_key: { developer_message } } } }
  }
  if (!mayAskFor(call)) return forbidden('developer_message')
  const course = call.lms.state.findCourse(parsed.id)
  // A real LMS with CCX off fails before it can answer 404 (seen, not recorded).
  if (!course && key.startsWith('ccx-v1:')) return errorPage(500)
  if (!course) return { status: 404, body: { developer_message: 'Course not found.' } }
  const username = call.query.get('username')
  const person = username ? call.lms.state.findPerson({ username }) : undefined
  const enrolled = person && call.lms.state.enrollment(person.id, course.id)?.active === true
  const body = { ...summary(course, call.host), overview: null }
  return { status: 200, body: username ? { ...body, is_enrolled: enrolled === true } : body }
}

function listCourses(call: Call): Answer {
  if (!mayAskFor(call)) return forbidden('developer_message')
  const courses = call.lms.state.courses()
  const asked = Number(call.query.get('page_size'))
  const size = asked >= 1 ? Math.min(Math.floor(asked), maxPageSize) : defaultPageSize
  const pages = Math.max(1, Math.ceil(courses.length / size))
  const page = Number(call.query.get('page') ?? 1)
  if (!Number.isInteger(page) || page < 1 || page > pages) {
    return { status: 404, body: { developer_message: 'Invalid page.' } }
  }
  const link = (to: number) => {
    const query = new URLSearchParams(call.query)
    query.set('page', String(to))
    query.sort()
    return `http://${call.host}/api/courses/v1/courses/?${query}`
  }
  const pagination = {
    next: page < pages ? link(page + 1) : null,
    previous: page > 1 ? link(page - 1) : null,
    count: courses.length,
    num_pages: pages,
  }
  const results = courses.slice((page - 1) * size, page * size).map((course) => summary(course, call.host))
  return { status: 200, body: { results, pagination } }
}

function summary(course: Course, host: string) {
  const key = parseCourseKey(course.id)
  const start = new Date(course.start ?? '2020-01-01')
  // Open edX treats this start as "not set yet" (recorded: sequence.json, 68).
  const unset = start.getTime() === Date.UTC(2030, 0, 1)
  const image = '/static/x.jpg'
  return {
    blocks_url: `http://${host}/api/courses/v2/blocks/?course_id=${encodeURIComponent(course.id)}`,
    effort: null,
    end: course.end === undefined ? null : wholeSeconds(course.end),
    enrollment_start: course.enrollment_start === undefined ? null : wholeSeconds(course.enrollment_start),
    enrollment_end: course.enrollment_end === undefined ? null : wholeSeconds(course.enrollment_end),
    id: course.id,
    media: {
      banner_image: { uri: '', uri_absolute: '' },
      course_image: { uri: image },
      course_video: { uri: null },
      image: { raw: `http://${host}${image}`, small: `http://${host}${image}`, large: `http://${host}${image}` },
    },
    name: course.name,
    number: key?.number ?? '',
    org: key?.org ?? '',
    short_description: null,
    start: wholeSeconds(start.getTime()),
    start_display: unset ? null : `${months[start.getUTCMonth()]} ${start.getUTCDate()}, ${start.getUTCFullYear()}`,
    start_type: unset ? 'empty' : 'timestamp',
    pacing: 'self',
    mobile_available: true,
    hidden: course.visible_to_staff_only === true || key?.deprecated === true,
    invitation_only: course.invitation_only === true,
    course_id: course.id,
  }
}
