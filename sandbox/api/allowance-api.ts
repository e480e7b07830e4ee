import type { Allowance } from '../lms/allowances.ts'
import { type Answer, errorPage, timestamp } from '../lms/answers.ts'
import { parseCourseKey } from '../lms/course-keys.ts'
import { fieldsOf, textOf } from './bodies.ts'
import type { Call, View } from './view.ts'

/** /api/enrollment/v1/enrollment_allowed/, staff only. Rules: recordings, enrollment-allowed.json. */
export const allowanceView: View = {
  url: '/api/enrollment/v1/enrollment_allowed/',
  // The view uses the LMS's default authentication, which ignores an opaque Bearer token.
  accepts: 'jwt',
  access: 'staff',
  errors: 'detail',
  throttled: 'enrolling',
  enrolls: true,
  handlers: { GET: listAllowances, POST: createAllowance, DELETE: deleteAllowance },
}

function serialized({ email, course, autoEnroll, created, personId }: Allowance) {
  return { email, course_id: course, auto_enroll: autoEnroll, created: timestamp(created), user: personId }
}

function listAllowances({ query, context }: Call): Answer {
  const email = query.get('email')
  return { status: 200, body: email ? context.state.listAllowances(email).map(serialized) : [] }
}

/** The address and course of a call, or the answer to a call that names none. */
function targetOf({ data }: Call): { email: string; asked: string; course: string } | Answer {
  const fields = fieldsOf(data)
  const email = textOf(fields?.email)
  const asked = textOf(fields?.course_id)
  if (!email || !asked) {
    const message = "Please provide a value for 'email' and 'course_id' in the request data."
    return { status: 400, body: { message } }
  }
  const key = parseCourseKey(asked)
  // The real LMS fails here too (recorded: 'malformed key').
  return key ? { email, asked, course: key.id } : errorPage(500)
}

/** Checks neither the course nor the address (recorded: 'no such course is not noticed', 'not an e-mail'). */
function createAllowance(call: Call): Answer {
  const target = targetOf(call)
  if ('status' in target) return target
  const { email, asked, course } = target
  const { state } = call.context
  if (state.allowance(email, course)) {
    state.countUnchanged()
    const message = `An enrollment allowed with email ${email} and course ${asked} already exists.`
    return { status: 409, body: { message } }
  }
  const autoEnroll = ['true', '1'].includes(textOf(fieldsOf(call.data)?.auto_enroll).toLowerCase())
  return { status: 201, body: serialized(state.saveAllowance({ email, course, autoEnroll, personId: null })) }
}

function deleteAllowance(call: Call): Answer {
  const target = targetOf(call)
  if ('status' in target) return target
  const { email, asked, course } = target
  if (!call.context.state.allowance(email, course)) {
    const message = `An enrollment allowed with email ${email} and course ${asked} doesn't exists.`
    return { status: 404, body: { message } }
  }
  call.context.state.deleteAllowance(email, course)
  return { status: 204 }
}
