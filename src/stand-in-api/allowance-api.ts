import { type Answer, errorPage, timestamp } from '../stand-in/answers.ts'
import { parseCourseKey } from '../stand-in/course-keys.ts'
import type { Allowance } from '../stand-in/state.ts'
import { fieldsOf, textOf } from './bodies.ts'
import type { Call, View } from './views.ts'

/** /api/enrollment/v1/enrollment_allowed/, staff only. Rules: recordings, enrollment-allowed.json. */
export const allowanceViews: View[] = [
  {
    url: '/api/enrollment/v1/enrollment_allowed/',
    pattern: '/api/enrollment/v1/enrollment_allowed/',
    // The view has the LMS's default authentication: an opaque Bearer token is nothing to it.
    accepts: 'jwt',
    access: 'staff',
    errors: 'detail',
    throttled: 'enrolling',
    enrolls: true,
    handlers: { GET: listAllowances, POST: createAllowance, DELETE: deleteAllowance },
  },
]

function serialized({ email, course, autoEnroll, created, personId }: Allowance) {
  return { email, course_id: course, auto_enroll: autoEnroll, created: timestamp(created), user: personId }
}

function listAllowances({ query, registrar }: Call): Answer {
  const email = query.get('email')
  return { status: 200, body: email ? registrar.state.listAllowances(email).map(serialized) : [] }
}

/** The address and course that a call names, or the answer to one that doesn't. */
function named({ data }: Call): { email: string; asked: string; course: string } | Answer {
  const fields = fieldsOf(data)
  const email = textOf(fields?.email)
  const asked = textOf(fields?.course_id)
  if (!email || !asked) {
    const message = "Please provide a value for 'email' and 'course_id' in the request data."
    return { status: 400, body: { message } }
  }
  const key = parseCourseKey(asked)
  // Recorded: 'malformed key'. The real LMS breaks here too.
  return key ? { email, asked, course: key.id } : errorPage(500)
}

/** Neither the course nor the address is looked at (recorded: 'no such course is not noticed', 'not an e-mail'). */
function createAllowance(call: Call): Answer {
  const target = named(call)
  if ('status' in target) return target
  const { email, asked, course } = target
  const { state } = call.registrar
  if (state.allowance(email, course)) {
    state.countAlready()
    const message = `An enrollment allowed with email ${email} and course ${asked} already exists.`
    return { status: 409, body: { message } }
  }
  const autoEnroll = ['true', '1'].includes(textOf(fieldsOf(call.data)?.auto_enroll).toLowerCase())
  return { status: 201, body: serialized(state.saveAllowance({ email, course, autoEnroll, personId: null })) }
}

function deleteAllowance(call: Call): Answer {
  const target = named(call)
  if ('status' in target) return target
  const { email, asked, course } = target
  if (!call.registrar.state.allowance(email, course)) {
    const message = `An enrollment allowed with email ${email} and course ${asked} doesn't exists.`
    return { status: 404, body: { message } }
  }
  call.registrar.state.deleteAllowance(email, course)
  return { status: 204 }
}
