import { type Answer, errorPage } from '../lms/answers.ts'
import { TRANSITIONS, type Transition } from '../lms/audit.ts'
import {
  audit,
  type BeforeAndAfter,
  changeByEmail,
  type EmailState,
  emailOf,
  type Failing,
  failedFor,
  transitionOf,
} from '../lms/batch-enrollment.ts'
import { parseCourseKey } from '../lms/course-keys.ts'
import type { Verdict } from '../lms/deadlock.ts'
import { isEmailAddress } from '../lms/email-addresses.ts'
import type { EnrollmentContext } from '../lms/enrollment-rules.ts'
import { fieldsOf } from './bodies.ts'
import type { Json } from './json.ts'
import {
  errorsOf,
  type Field,
  IS_NULL,
  notAnObject,
  REQUIRED,
  readAction,
  readBoolean,
  readText,
} from './serializers.ts'
import type { Call, View } from './view.ts'

/** POST /api/bulk_enroll/v1/bulk_enroll, staff only, if the LMS has it. Rules: recordings, bulk-enroll.json and unenroll.json. */
export const bulkView: View = {
  url: '/api/bulk_enroll/v1/bulk_enroll',
  accepts: 'jwt_or_bearer',
  access: 'staff',
  errors: 'detail',
  throttled: 'enrolling',
  enrolls: true,
  handlers: { POST: bulkEnroll },
  locks: (call) => {
    const read = readRequest(call.data)
    return 'errors' in read ? [] : splitList(read.identifiers).map((name) => emailOf(call.context, name).email)
  },
}

/**
 * POST /courses/{course_id}/instructor/api/students_update_enrollment, of the instructor dashboard: what bulk_enroll calls
 * for each of its courses (recorded: email-students.json, 'legacy dashboard view').
 */
export const dashboardEnrollmentView: View = {
  url: '/courses/:course/instructor/api/students_update_enrollment',
  pattern: '/courses/{course_id}/instructor/api/students_update_enrollment',
  accepts: 'jwt',
  access: 'staff',
  errors: 'detail',
  throttled: false,
  enrolls: true,
  handlers: { POST: updateEnrollment },
}

type Request = {
  identifiers: string
  courses: string[]
  action: 'enroll' | 'unenroll'
  autoEnroll: boolean
  email: boolean
  reason: string | null
}
type PersonResult =
  | { identifier: string; before: EmailState; after: EmailState }
  | { identifier: string; invalidIdentifier: true }
  | Failing

/** Identifiers are separated by commas and white space. */
function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}

/**
 * Whether the view fails as a whole: it looks each person up before the part that answers `error` for one (Open edX,
 * instructor/views/api.py, `students_update_enrollment`).
 */
function hasAmbiguous({ context }: Call, { identifiers }: Request): boolean {
  return splitList(identifiers).some((identifier) => emailOf(context, identifier).ambiguous)
}

/** Of a list, only the first item counts (recorded: 'courses as a list'). An empty text means no courses. */
function readCourses(value: Json | undefined): Field<string[]> {
  if (value === undefined) return { error: REQUIRED }
  if (value === null) return { error: IS_NULL }
  const text = Array.isArray(value) ? (value[0] ?? '') : value
  if (typeof text !== 'string') return { error: 'Not a valid string.' }
  const courses = text === '' ? [] : text.split(',')
  const wrong = courses.find((course) => parseCourseKey(course) === null)
  return wrong === undefined ? { value: courses } : { error: `Course key not valid: ${wrong}` }
}

/** Reads the body as the view's serializer does. Returns all errors, by field. */
function readRequest(data: Json): Request | { errors: Record<string, unknown> } {
  const fields = fieldsOf(data)
  if (!fields) return { errors: notAnObject(data) }
  const identifiers = readText(fields.identifiers)
  const courses = readCourses(fields.courses)
  const action = readAction(fields.action)
  const autoEnroll = readBoolean(fields.auto_enroll)
  const email = readBoolean(fields.email_students)
  if ('error' in identifiers || 'error' in courses || 'error' in action || 'error' in autoEnroll || 'error' in email) {
    const read = { identifiers, courses, action, auto_enroll: autoEnroll, email_students: email }
    return { errors: errorsOf(read) ?? {} }
  }
  return {
    identifiers: identifiers.value,
    courses: courses.value,
    action: action.value,
    autoEnroll: autoEnroll.value,
    email: email.value,
    // Recorded: email-students.json, 'bulk: no reason: null in the audit'.
    reason: typeof fields.reason === 'string' ? fields.reason : null,
  }
}

function bulkEnroll(call: Call, verdict: Verdict): Answer {
  if (verdict === 'rolled_back') return errorPage(500)
  const request = readRequest(call.data)
  if ('errors' in request) return { status: 400, body: request.errors }
  if (request.courses.length > 0 && hasAmbiguous(call, request)) return errorPage(500)
  const { action, autoEnroll, email } = request
  const results: [string, object][] = []
  for (const [index, course] of request.courses.entries()) {
    const key = parseCourseKey(course)?.id ?? course
    // The course is looked for only to write its mails. What was done in the courses before is rolled back, but their
    // mails are out (recorded: email-students.json, 'bulk: no such course with email_students').
    if (email && !call.lms.state.findCourseInModulestore(key)) {
      return { status: 404, body: { detail: `Course not found: ${key}.` }, rollsBack: true }
    }
    const failsLast = verdict === 'rolled_back_on_last' && index === request.courses.length - 1
    results.push([course, { action, auto_enroll: autoEnroll, results: changeCourse(call, request, course, failsLast) }])
  }
  const body = { auto_enroll: autoEnroll, email_students: email, action, courses: Object.fromEntries(results) }
  return { status: 200, body }
}

function updateEnrollment(call: Call): Answer {
  const course = call.params.course ?? ''
  const request = readRequest({ ...fieldsOf(call.data), courses: course })
  if ('errors' in request) return { status: 400, body: request.errors }
  if (hasAmbiguous(call, request)) return errorPage(500)
  const results = changeCourse(call, request, course, false)
  return { status: 200, body: { action: request.action, auto_enroll: request.autoEnroll, results } }
}

/** Changes each person in one course. With `failsLast`, the last one is answered with an error. */
function changeCourse({ context, fault }: Call, request: Request, course: string, failsLast: boolean): PersonResult[] {
  const identifiers = splitList(request.identifiers)
  let transition: Transition = TRANSITIONS.none
  return identifiers.map((identifier, index): PersonResult => {
    if (fault?.error && course.includes(fault.naming ?? '')) return failedFor(identifier, fault.error)
    if (failsLast && index === identifiers.length - 1) return { identifier, error: true }
    const { email } = emailOf(context, identifier)
    if (!isEmailAddress(email)) return { identifier, invalidIdentifier: true }
    const changed = changePerson(context, request, email, course)
    transition = auditChange({ context, request, email, course, changed, transition })
    return { identifier, ...changed }
  })
}

function changePerson(context: EnrollmentContext, request: Request, email: string, course: string): BeforeAndAfter {
  const key = parseCourseKey(course)?.id ?? course
  const { action, autoEnroll } = request
  const mailAbout = request.email ? (context.state.findCourseInModulestore(key) ?? null) : null
  return changeByEmail({ context, email, course: key, change: { action, autoEnroll, mailAbout } })
}

/**
 * Writes the audit row of a change, in which the learner, and not the caller, is who enrolled. A person with an account who
 * isn't enrolled by the call gets the `transition` of the person before (recorded: unenroll.json, exchange 20, and
 * email-students.json, 'bulk: not activated, retired, invalid'). Returns the transition that was written.
 */
function auditChange(of: {
  context: EnrollmentContext
  request: Request
  email: string
  course: string
  changed: BeforeAndAfter
  transition: Transition
}): Transition {
  const { context, request, email, course, changed } = of
  const { action, reason } = request
  const isAllowed = !changed.before.user && changed.after.allowed
  const transition = transitionOf(action, changed) ?? (isAllowed ? TRANSITIONS.unenrolledToAllowed : of.transition)
  const enrolledBy = context.state.findPerson({ email })?.username ?? null
  const key = parseCourseKey(course)?.id ?? course
  audit({ context, email, course: key, action, enrolledBy, transition, reason })
  return transition
}
