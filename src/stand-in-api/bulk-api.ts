import { type Answer, errorPage } from '../stand-in/answers.ts'
import { parseCourseKey } from '../stand-in/course-keys.ts'
import type { Verdict } from '../stand-in/deadlock.ts'
import { isEmailAddress } from '../stand-in/email-addresses.ts'
import {
  type EmailState,
  type EnrollmentContext,
  emailState,
  enrollByEmail,
  unenrollByEmail,
} from '../stand-in/enrollment-rules.ts'
import { fieldsOf, textOf } from './bodies.ts'
import type { Json } from './json.ts'
import type { Call, View } from './views.ts'

/** POST /api/bulk_enroll/v1/bulk_enroll, staff only, if the LMS has it. Rules: recordings, bulk-enroll.json. */
export const bulkView: View = {
  url: '/api/bulk_enroll/v1/bulk_enroll',
  pattern: '/api/bulk_enroll/v1/bulk_enroll',
  accepts: 'jwt_or_bearer',
  access: 'staff',
  errors: 'detail',
  throttled: 'enrolling',
  enrolls: true,
  handlers: { POST: bulkEnroll },
  locks: (call) => {
    const read = readRequest(call.data)
    return 'errors' in read ? [] : splitList(read.identifiers).map((name) => emailOf(call.context, name))
  },
}

type Request = {
  identifiers: string
  courses: string[]
  action: 'enroll' | 'unenroll'
  autoEnroll: boolean
  email: boolean
}
type PersonResult =
  | { identifier: string; before: EmailState; after: EmailState }
  | { identifier: string; invalidIdentifier: true }
  | { identifier: string; error: true }

const required = 'This field is required.'
const isNull = 'This field may not be null.'

/** Identifiers are separated by commas and white space. */
function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}

/** The stored address of a person. An identifier with @ is an address, one without is a username. */
function emailOf({ state }: EnrollmentContext, identifier: string): string {
  const person = state.findPerson(identifier.includes('@') ? { email: identifier } : { username: identifier })
  return person?.email ?? identifier
}

function readText(value: Json | undefined): { text: string } | { error: string } {
  if (value === undefined) return { error: required }
  if (value === null) return { error: isNull }
  if (typeof value === 'boolean' || typeof value === 'object') return { error: 'Not a valid string.' }
  const text = String(value).trim()
  return text === '' ? { error: 'This field may not be blank.' } : { text }
}

/** Of a list, only the first item counts (recorded: 'courses as a list'). An empty text means no courses. */
function readCourses(value: Json | undefined): { courses: string[] } | { error: string } {
  if (value === undefined) return { error: required }
  if (value === null) return { error: isNull }
  const text = Array.isArray(value) ? (value[0] ?? '') : value
  if (typeof text !== 'string') return { error: 'Not a valid string.' }
  const courses = text === '' ? [] : text.split(',')
  const wrong = courses.find((course) => parseCourseKey(course) === null)
  return wrong === undefined ? { courses } : { error: `Course key not valid: ${wrong}` }
}

function readBoolean(value: Json | undefined): { value: boolean } | { error: string } {
  if (value === undefined) return { value: false }
  if (value === null) return { error: isNull }
  const word = textOf(value).toLowerCase()
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(word)) return { value: true }
  if (['false', 'f', 'no', 'n', 'off', '0', '0.0'].includes(word)) return { value: false }
  return { error: 'Must be a valid boolean.' }
}

function readAction(value: Json | undefined): { action: 'enroll' | 'unenroll' } | { error: string } {
  if (value === undefined) return { error: required }
  if (value === null) return { error: isNull }
  if (value === 'enroll' || value === 'unenroll') return { action: value }
  return { error: `"${textOf(value)}" is not a valid choice.` }
}

/** Reads the body as the view's serializer does. Returns all errors, by field. */
function readRequest(data: Json): Request | { errors: Record<string, string[]> } {
  const fields = fieldsOf(data)
  if (!fields) {
    const kind = Array.isArray(data)
      ? 'list'
      : data === null
        ? 'NoneType'
        : typeof data === 'string'
          ? 'str'
          : typeof data
    return { errors: { non_field_errors: [`Invalid data. Expected a dictionary, but got ${kind}.`] } }
  }
  const identifiers = readText(fields.identifiers)
  const courses = readCourses(fields.courses)
  const action = readAction(fields.action)
  const autoEnroll = readBoolean(fields.auto_enroll)
  const email = readBoolean(fields.email_students)
  if ('error' in identifiers || 'error' in courses || 'error' in action || 'error' in autoEnroll || 'error' in email) {
    const read = { identifiers, courses, action, auto_enroll: autoEnroll, email_students: email }
    const wrong = Object.entries(read).flatMap(([field, value]) => ('error' in value ? [[field, [value.error]]] : []))
    return { errors: Object.fromEntries(wrong) }
  }
  const { text } = identifiers
  return {
    identifiers: text,
    courses: courses.courses,
    action: action.action,
    autoEnroll: autoEnroll.value,
    email: email.value,
  }
}

function bulkEnroll({ data, context, fault }: Call, verdict: Verdict): Answer {
  if (verdict === 'rolled_back') return errorPage(500)
  const request = readRequest(data)
  if ('errors' in request) return { status: 400, body: request.errors }
  const { action, autoEnroll } = request
  const identifiers = splitList(request.identifiers)
  const courses = request.courses.map((course, courseIndex): [string, object] => {
    const results = identifiers.map((identifier, index): PersonResult => {
      const isLast = courseIndex === request.courses.length - 1 && index === identifiers.length - 1
      if (fault?.error && course.includes(fault.naming ?? '')) return { identifier, error: true }
      if (isLast && verdict === 'rolled_back_on_last') return { identifier, error: true }
      return changePerson(context, request, identifier, course)
    })
    return [course, { action, auto_enroll: autoEnroll, results }]
  })
  const body = { auto_enroll: autoEnroll, email_students: request.email, action, courses: Object.fromEntries(courses) }
  return { status: 200, body }
}

function changePerson(context: EnrollmentContext, request: Request, identifier: string, course: string): PersonResult {
  const email = emailOf(context, identifier)
  if (!isEmailAddress(email)) return { identifier, invalidIdentifier: true }
  const key = parseCourseKey(course)?.id ?? course
  const before = emailState(context, email, key)
  if (request.action === 'enroll') enrollByEmail(context, email, key, request.autoEnroll)
  else unenrollByEmail(context, email, key)
  return { identifier, before, after: emailState(context, email, key) }
}
