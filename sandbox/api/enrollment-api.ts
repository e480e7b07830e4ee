import { type Answer, errorPage, timestamp } from '../lms/answers.ts'
import { looksLikeCourseKey, parseCourseKey } from '../lms/course-keys.ts'
import { changeEnrollment, type SingleOutcome } from '../lms/enrollment-change.ts'
import type { EnrollmentContext } from '../lms/enrollment-rules.ts'
import type { Enrollment } from '../lms/enrollments.ts'
import type { Person } from '../lms/people.ts'
import { fieldsOf, textOf } from './bodies.ts'
import { courseDetails } from './course-details.ts'
import type { Json } from './json.ts'
import type { Call, View } from './view.ts'

const shared = { accepts: 'jwt_or_bearer', access: 'account', errors: 'detail', throttled: 'enrolling' } as const

/** The Enrollment API v1 except its list. Rules: recordings, enrollment-v1.json and modes-and-inactive.json. */
export const enrollmentViews: View[] = [
  {
    ...shared,
    url: '/api/enrollment/v1/enrollment',
    enrolls: true,
    handlers: { GET: listMine, POST: postEnrollment },
  },
  {
    ...shared,
    url: '/api/enrollment/v1/enrollment/*',
    pattern: '/api/enrollment/v1/enrollment/{username},{course_id}',
    handlers: { GET: readEnrollment },
  },
  {
    ...shared,
    url: '/api/enrollment/v1/course/*',
    pattern: '/api/enrollment/v1/course/{course_id}',
    // This view ignores tokens, so its throttle can distinguish callers only by their network address.
    accepts: 'nothing',
    access: 'anyone',
    handlers: { GET: readCourseDetails },
  },
]

/**
 * The first endpoint of the Enrollment API v2. Rules: recordings, lms-next/next.json. It takes no opaque Bearer tokens, and
 * answers in pages, of which the stand-in has only the first.
 */
export const enrollmentV2View: View = {
  ...shared,
  url: '/api/enrollment/v2/enrollment/',
  accepts: 'jwt',
  handlers: {
    GET: (call) => {
      const results = [listMine(call).body].flat()
      const page = { next: null, previous: null, count: results.length, num_pages: 1, current_page: 1, start: 0 }
      return { status: 200, body: { ...page, results } }
    },
  },
}

function details(context: EnrollmentContext, { username }: Person, { created, mode, active, course }: Enrollment) {
  const course_details = courseDetails(context, course)
  return { created: timestamp(created), mode, is_active: active, course_details, user: username }
}

function postEnrollment({ data, context, caller }: Call): Answer {
  const fields = fieldsOf(data)
  const courseFields = fieldsOf(fields?.course_details ?? null)
  const asked = textOf(courseFields?.course_id)
  const refuse = (status: number, message: string, more = {}): Answer => ({ status, body: { message, ...more } })
  if (!fields || !caller || asked === '') return refuse(400, 'Course ID must be specified to create a new enrollment.')
  const key = parseCourseKey(asked)
  if (!key) return refuse(400, `No course '${asked}' found for enrollment`)
  const email = textOf(fields.email)
  const named = textOf(fields.user)
  if (!named && email && caller.staff && !context.state.findPerson({ email })) {
    return refuse(406, `The user with the email address ${email} does not exist.`)
  }
  const byEmail = email && caller.staff ? context.state.findPerson({ email })?.username : undefined
  const username = named || byEmail || caller.username
  // A caller who isn't staff gets a 404 for any other person, so that it reveals nothing (recorded).
  if (!caller.staff && (username !== caller.username || (!named && email && email !== caller.email)))
    return { status: 404 }
  const mode = textOf(fields.mode)
  if (!caller.staff && !['', 'audit', 'honor'].includes(mode)) {
    return refuse(403, `User does not have permission to create enrollment with mode [${mode}].`)
  }
  const person = context.state.findPerson({ username })
  if (!person) return refuse(406, `The user ${username} does not exist.`)
  const { is_active: active = null, force_enrollment: force = null } = fields
  if (active !== null && typeof active !== 'boolean') {
    return refuse(400, `'${textOf(active)}' is an invalid enrollment activation status.`)
  }
  if (force !== null && typeof force !== 'boolean') {
    return refuse(400, `'${textOf(force)}' is an invalid force enrollment status.`)
  }
  const change = { mode: mode === '' ? null : mode, active, force: force === true && caller.staff, staff: caller.staff }
  const outcome = changeEnrollment({ context, person, courseId: key.id, ...change })
  if ('enrollment' in outcome) {
    const missing = outcome.changed ? missingInAttributes(fields.enrollment_attributes) : null
    if (missing !== null) return refuse(400, missing, { localizedMessage: missing })
    return { status: 200, body: details(context, person, outcome.enrollment) }
  }
  const more = outcome.refusal === 'no_mode' ? { course_details: courseDetails(context, key.id) } : {}
  return refuse(400, refusalMessage({ outcome, person, courseId: key.id, mode: mode === '' ? 'None' : mode }), more)
}

/**
 * What the LMS finds missing in the attributes of a new or changed enrollment, which is kept all the same; null if nothing.
 * The stand-in doesn't store attributes (recorded: paid-modes.json, 'SURPRISE: attribute without a value').
 */
function missingInAttributes(attributes: Json | undefined): string | null {
  const all = Array.isArray(attributes) ? attributes : []
  const names = all.flatMap((one) =>
    ['namespace', 'name', 'value'].filter((name) => fieldsOf(one)?.[name] === undefined),
  )
  return names[0] === undefined ? null : `'${names[0]}' not in enrollment attribute`
}

/** The Enrollment API's message for a change that it refuses (recorded: enrollment-v1.json, status 400). */
function refusalMessage(of: {
  outcome: Exclude<SingleOutcome, { enrollment: Enrollment; changed: boolean }>
  person: Person
  courseId: string
  mode: string
}): string {
  const { outcome, person, courseId, mode } = of
  switch (outcome.refusal) {
    case 'no_course':
      return `No course '${courseId}' found for enrollment`
    case 'no_mode':
      return `The [${mode}] course mode is expired or otherwise unavailable for course run [${courseId}].`
    case 'mode_mismatch':
      return `Enrollment mode mismatch: active mode=${outcome.current}, requested mode=${mode}. Won't deactivate.`
    case 'closed_or_full': {
      const whom = `for user '${person.username}' in course '${courseId}'`
      return `An error occurred while creating the new course enrollment ${whom}`
    }
  }
}

/** One person's enrollment, active or not; 200 without a body if there is none (recorded: 'read, not enrolled'). */
function readEnrollment({ params, caller, context }: Call): Answer {
  const [first = '', ...rest] = (params['*'] ?? '').split(',')
  const [username, key] = rest.length > 0 ? [first, rest.join(',')] : [caller?.username ?? '', first]
  if (!looksLikeCourseKey(key)) return errorPage(404)
  if (username !== caller?.username && !caller?.staff) return { status: 404 }
  const parsed = parseCourseKey(key)
  if (!parsed) {
    const where = `for user '${username}' in course '${key}'`
    return { status: 400, body: { message: `An error occurred while retrieving enrollments ${where}` } }
  }
  const person = context.state.findPerson({ username })
  const enrollment = person && context.state.enrollment(person.id, parsed.id)
  return enrollment ? { status: 200, body: details(context, person, enrollment) } : { status: 200 }
}

/** The active enrollments of the caller or, if the caller is staff, of `?user=`. */
function listMine({ query, caller, context }: Call): Answer {
  const username = query.get('user') ?? caller?.username ?? ''
  const person = context.state.findPerson({ username })
  const visible = person && (person.id === caller?.id || caller?.staff) ? person : null
  const rows = visible ? context.state.listEnrollments(visible.id).filter(({ active }) => active) : []
  return { status: 200, body: visible ? rows.map((row) => details(context, visible, row)) : [] }
}

function readCourseDetails({ params, query, context }: Call): Answer {
  const key = params['*'] ?? ''
  if (!looksLikeCourseKey(key)) return errorPage(404)
  const found = courseDetails(context, key, { ended: query.get('include_expired') === '1' })
  if (found) return { status: 200, body: found }
  return { status: 400, body: { message: `No course found for course ID '${key}'` } }
}
