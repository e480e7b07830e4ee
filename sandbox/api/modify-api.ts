import { type Answer, errorPage, forbidden } from '../lms/answers.ts'
import { TRANSITIONS } from '../lms/audit.ts'
import {
  audit,
  changeByEmail,
  type EmailState,
  emailOf,
  type Failing,
  failedFor,
  transitionOf,
} from '../lms/batch-enrollment.ts'
import { looksLikeCourseKey, parseCourseKey } from '../lms/course-keys.ts'
import type { Verdict } from '../lms/deadlock.ts'
import { isEmailAddress } from '../lms/email-addresses.ts'
import type { EnrollmentContext } from '../lms/enrollment-rules.ts'
import type { Course } from '../lms/world.ts'
import { fieldsOf } from './bodies.ts'
import type { Json } from './json.ts'
import { errorsOf, notAnObject, readAction, readBoolean, readText, readTexts } from './serializers.ts'
import type { Call, View, Visit } from './view.ts'

const suffix = '/enrollments/modify'
const maxIdentifier = 255

/**
 * POST /api/instructor/v2/courses/{course_id}/enrollments/modify, for staff and the staff of the course, if the LMS has
 * it. Rules: recordings, enrollments-modify.json and unenroll.json.
 */
export const modifyView: View = {
  url: '/api/instructor/v2/courses/*',
  pattern: '/api/instructor/v2/courses/{course_id}/enrollments/modify',
  accepts: 'jwt',
  access: mayModify,
  errors: 'developer_message',
  throttled: false,
  enrolls: true,
  serves: ({ params }) => keyOf(params) !== null,
  describes: { name: 'Enrollment Modify', description: 'Enroll or unenroll one or more learners in a course.' },
  handlers: { POST: modify },
  locks: ({ data, form, context }) => {
    const read = readRequest(data, form)
    if ('errors' in read) return []
    return read.identifiers.map((identifier) => emailOf(context, identifier).email)
  },
}

type Request = {
  identifiers: string[]
  action: 'enroll' | 'unenroll'
  autoEnroll: boolean
  emailStudents: boolean
  reason: string
}
type PersonResult =
  | { identifier: string; before: EmailState; after: EmailState }
  | { identifier: string; invalid_identifier: true }
  | Failing

/** The key in the path; null for a path that the LMS doesn't route to this view. */
function keyOf(params: Record<string, string>): string | null {
  const path = params['*'] ?? ''
  const key = path.endsWith(suffix) ? path.slice(0, -suffix.length) : ''
  return looksLikeCourseKey(key) ? key : null
}

/** The course of the path, or the answer if there is none. */
function courseOf({ params, lms }: Pick<Visit, 'params' | 'lms'>): { course: Course } | Answer {
  const key = parseCourseKey(keyOf(params) ?? '')
  if (!key) return { status: 404, body: { developer_message: 'Invalid course key' } }
  const course = lms.state.findCourseInModulestore(key.id)
  return course ? { course } : { status: 404, body: { developer_message: `Course not found: ${key.id}.` } }
}

/** The LMS looks for the course before it checks who calls (recorded: 'a non-staff application, no such course'). */
function mayModify(visit: Visit): Answer | null {
  const found = courseOf(visit)
  if ('status' in found) return found
  const { caller, lms } = visit
  const own = lms.world().applications.find(({ user }) => user === caller.username)?.course_staff_of ?? []
  return caller.staff || own.includes(found.course.id) ? null : forbidden('developer_message')
}

/** Reads the body as the view's serializer does. Returns all errors, by field. */
function readRequest(data: Json, form: URLSearchParams | null): Request | { errors: Record<string, unknown> } {
  const fields = fieldsOf(data)
  if (!fields) return { errors: notAnObject(data) }
  const listed = form?.getAll('identifier') ?? []
  const identifier = readTexts(listed.length > 0 ? listed : fields.identifier, { maxLength: maxIdentifier })
  const action = readAction(fields.action)
  const autoEnroll = readBoolean(fields.auto_enroll)
  const email = readBoolean(fields.email_students)
  const reason = readText(fields.reason === undefined ? '' : fields.reason, { blank: true })
  if ('error' in identifier || 'error' in action || 'error' in autoEnroll || 'error' in email || 'error' in reason) {
    const read = { identifier, action, auto_enroll: autoEnroll, email_students: email, reason }
    return { errors: errorsOf(read) ?? {} }
  }
  return {
    identifiers: identifier.value,
    action: action.value,
    autoEnroll: autoEnroll.value,
    emailStudents: email.value,
    reason: reason.value,
  }
}

function modify(call: Call, verdict: Verdict): Answer {
  if (verdict === 'rolled_back') return errorPage(500)
  const found = courseOf(call)
  if ('status' in found) return found
  const request = readRequest(call.data, call.form)
  if ('errors' in request) return { status: 400, body: request.errors }
  const { fault } = call
  const { course } = found
  const failing = fault?.error !== undefined && course.id.includes(fault.naming ?? '') ? fault.error : null
  const results = request.identifiers.map((identifier, index): PersonResult => {
    const isLast = index === request.identifiers.length - 1
    if (failing !== null) return failedFor(identifier, failing)
    if (isLast && verdict === 'rolled_back_on_last') return { identifier, error: true }
    return changePerson(call, request, identifier, course)
  })
  return { status: 200, body: { action: request.action, auto_enroll: request.autoEnroll, results } }
}

function changePerson(call: Call, request: Request, identifier: string, course: Course): PersonResult {
  const { context, caller } = call
  const { email, ambiguous } = emailOf(context, identifier)
  // Recorded: 'an address that is one person's user name and another's e-mail: error for that one only'.
  if (ambiguous) return { identifier, error: true }
  if (!isEmailAddress(email)) return { identifier, invalid_identifier: true }
  const { action, autoEnroll, reason } = request
  const change = { action, autoEnroll, mailAbout: request.emailStudents ? course : null }
  const known = rowOf(context, email, course)
  const changed = changeByEmail({ context, email, course: course.id, change })
  // The LMS reads `after` from a cache, which a key with a branch keeps stale (recorded: sequence-modify.json, 253).
  const stale = known !== undefined && keyOf(call.params) !== course.id ? { enrollment: changed.before.enrollment } : {}
  const after = { ...changed.after, ...stale }
  const allowed = after.allowed ? TRANSITIONS.unenrolledToAllowed : TRANSITIONS.none
  const transition = transitionOf(action, changed) ?? allowed
  audit({ context, email, course: course.id, action, enrolledBy: caller?.username ?? null, transition, reason })
  return { identifier, before: changed.before, after }
}

/** The person's enrollment in the course, active or not. */
function rowOf({ state }: EnrollmentContext, email: string, course: Course) {
  const person = state.findPerson({ email })
  return person && state.enrollment(person.id, course.id)
}
