import { accountCall } from '../../lms/apis/accounts.ts'
import { certificateCall, gradesCall, shownCertificatesCall } from '../../lms/apis/achievements.ts'
import { courseListCall } from '../../lms/apis/course-catalogue.ts'
import { COURSE, courseCall } from '../../lms/apis/courses.ts'
import { courseEnrollmentListCall, enrollmentCall, enrollmentVersionCall } from '../../lms/apis/enrollment.ts'
import { allowancesCall } from '../../lms/apis/enrollment-allowed.ts'
import type { Failure } from '../../lms/client/failure.ts'
import type { LmsCall } from '../../lms/client/transport.ts'
import { isInPeriod } from '../../shop/courses/sellable.ts'
import { type Check, check, type Facts, failed, type Problem, passed, problem, skipped, type Tools } from '../check.ts'
import type { Unreached } from './probe.ts'

/**
 * Makes one call that changes nothing, and judges the answer as the service does. With a token among the facts, the service
 * user makes it.
 */
export async function call<T>(of: {
  facts: Pick<Facts, 'settings'> & Partial<Pick<Facts, 'lms.token'>>
  tools: Tools
  request: LmsCall<T>
}): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem }> {
  const { facts, tools, request } = of
  const { settings, 'lms.token': token } = facts
  const response = await tools.askLms({ settings, request, token: token?.value })
  if (!response.ok) return { ok: false, problem: unreachedCall(response, request.endpoint) }
  const judged = request.judge(response.answer)
  return judged.ok ? judged : { ok: false, problem: callProblem(judged.failure) }
}

/** The problem with an LMS that answers its heartbeat, but not this call. */
export function unreachedCall({ obstacle, code }: Unreached, endpoint: string): Problem {
  if (obstacle === 'timeout') return problem('call.timeout', { endpoint })
  return problem('call.failed', { message: `The connection ends without an answer from ${endpoint} (${code})` })
}

/** The problem behind the failure of a call that isn't about a person or a course. */
export function callProblem({ kind, endpoint, status, message }: Failure): Problem {
  if (kind === 'throttled') return problem('call.throttled', { endpoint })
  if (kind === 'unauthorized') return problem('call.token_refused', { endpoint })
  if (kind === 'misconfigured' && status === 403) return problem('call.forbidden', { endpoint, status: String(status) })
  if (kind === 'misconfigured' && status === 404) return problem('call.missing', { endpoint })
  return problem('call.failed', { message })
}

/** An address that nobody has: .invalid is reserved (RFC 2606). */
const NOBODY = { email: 'lernito-doctor@example.invalid' }
/** A person and a course that no LMS has: it then answers who may read, and tells nothing of anybody. */
const STRANGER = { username: 'lernito-doctor', course: 'course-v1:Lernito+Doctor+Nobody' }
const STRANGERS = { course: STRANGER.course, usernames: [STRANGER.username] }
/** The number of courses that are read, and of course keys that are shown. */
const PAGE_SIZE = 50
const SHOWN = 5

const COURSES = check({
  id: 'lms.courses',
  about: 'whether the service user sees courses, and which courses the shop can sell',
  needs: ['settings', 'lms.token'],
  examine: async (facts, tools) => {
    const { username } = facts['lms.token']
    const listed = await call({ facts, tools, request: courseListCall({ username, pageSize: PAGE_SIZE }) })
    // The list has its own limit, and no sale needs it. The enrolling calls may work anyway.
    if (!listed.ok && listed.problem.cause === 'call.throttled') {
      return failed([problem('courses.throttled', {})], { 'lms.courses': null })
    }
    if (!listed.ok) return failed([listed.problem])
    const { count, courses } = listed.value
    const now = tools.now()
    // Learners can enroll in these by themselves. The service enrolls in the others too.
    const open = courses.filter((one) => isInPeriod(one, now) && !one.invitationOnly && !one.hidden)
    const first = open[0] ?? courses[0]
    if (first === undefined) return failed([problem('courses.none', {})], { 'lms.courses': null })

    const request = courseCall({ key: first.key, username, shape: COURSE })
    const read = await call({ facts, tools, request })
    if (!read.ok) return failed([read.problem])
    if (read.value === null) return failed([problem('courses.unseen', { course: first.key })])
    const others = [...open, ...courses].filter(({ key }) => key !== first.key).map(({ key }) => key)
    const keys: [string, ...string[]] = [read.value.key, ...new Set(others)]
    const gives = { 'lms.courses': { count, keys } }
    if (open.length === 0) return failed([problem('courses.none_open', {})], gives)
    const more = open.length > SHOWN || count > courses.length ? ', …' : ''
    const shown = open.slice(0, SHOWN).map(({ key }) => key)
    return passed(`${count} in all; courseIds that the shop can send: ${shown.join(', ')}${more}`, gives)
  },
})

/** Without either version, what answers is no LMS, or a release without the API: the checks of its calls say which. */
const ENROLLMENT_VERSION = check({
  id: 'lms.enrollment_version',
  about: 'which versions of the enrollment API the LMS has',
  needs: ['settings', 'lms'],
  examine: async ({ settings }, tools) => {
    const facts = { settings }
    const first = await call({ facts, tools, request: enrollmentVersionCall(1) })
    if (!first.ok) return failed([first.problem])
    const second = await call({ facts, tools, request: enrollmentVersionCall(2) })
    // A proxy may let only the paths through that the service uses.
    const hasSecond = second.ok && second.value
    if (!first.value && hasSecond) return failed([problem('enrollment.only_version_2', {})])
    const gives = { 'lms.enrollment_version': true } as const
    if (!first.value) return passed('neither version 1 nor version 2', gives)
    const both = 'versions 1 and 2, of which the service uses 1'
    return passed(hasSecond ? both : 'version 1, which the service uses', gives)
  },
})

/** A check that reads what the LMS has for an address that nobody has. */
const readsOfNobody = <const Id extends string>(
  of: Pick<Check<Id>, 'id' | 'about'> & { readonly request: LmsCall<unknown>; readonly version?: true },
) =>
  check({
    id: of.id,
    about: of.about,
    needs: ['settings', 'lms.token', 'lms.staff', ...(of.version ? (['lms.enrollment_version'] as const) : [])],
    examine: async (facts, tools) => {
      const read = await call({ facts, tools, request: of.request })
      return read.ok ? passed('read for an account that does not exist') : failed([read.problem])
    },
  })

const ACCOUNTS = readsOfNobody({
  id: 'lms.accounts',
  about: 'whether the service user may look up accounts by email address',
  request: accountCall(NOBODY),
})

const ENROLLMENT = check({
  id: 'lms.enrollment',
  about: 'whether the service user may read enrollments',
  needs: ['settings', 'lms.token', 'lms.staff', 'lms.enrollment_version', 'lms.courses'],
  examine: async (facts, tools) => {
    const known = facts['lms.courses']
    if (known === null) return skipped('no course is known')
    const [course] = known.keys
    const request = enrollmentCall({ username: facts['lms.token'].username, course })
    const read = await call({ facts, tools, request })
    return read.ok ? passed('read its own enrollment') : failed([read.problem])
  },
})

const ENROLLMENT_LIST = readsOfNobody({
  id: 'lms.enrollment_list',
  about: 'whether the service user may list enrollments, as reconcile does',
  version: true,
  request: courseEnrollmentListCall(STRANGERS),
})

const ENROLLMENT_ALLOWED = readsOfNobody({
  id: 'lms.enrollment_allowed',
  about: 'whether the service user may read allowances',
  version: true,
  request: allowancesCall(NOBODY),
})

/** At most this many courses are looked up, one call each. */
const MAX_COURSES = 50
/** An LMS with CCX off fails for these keys, so that it says nothing about the course (see lookUpCourse). */
const CCX = /^ccx-v1:/

/** An allowance for a course that the LMS doesn't have locks the buyer out: see createDanglingCheck. */
const ALLOWANCES = check({
  id: 'lms.allowances',
  about: 'whether the LMS still has the courses for which pre-enrolled buyers wait',
  needs: ['settings', 'database', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    const { username } = facts['lms.token']
    const courses = facts.database.preEnrolled.filter((key) => !CCX.test(key))
    const gone: string[] = []
    for (const key of courses.slice(0, MAX_COURSES)) {
      const read = await call({ facts, tools, request: courseCall({ key, username, shape: COURSE }) })
      if (!read.ok) return failed([read.problem])
      if (read.value === null) gone.push(key)
    }
    if (gone.length > 0) return failed(gone.map((course) => problem('allowances.dangling', { course })))
    if (courses.length === 0) return passed('no buyer waits')
    const all = courses.length > MAX_COURSES ? `the first ${MAX_COURSES} of ${courses.length}` : `${courses.length}`
    return passed(`looked up: ${all}`)
  },
})

const READS: readonly LmsCall<unknown>[] = [
  gradesCall(STRANGERS),
  certificateCall(STRANGER),
  shownCertificatesCall(STRANGER),
]

/** The LMS lets its own user read, so a learner reads their own certificate without being staff. */
const OUTCOMES = check({
  id: 'lms.outcomes',
  about: 'whether the service user may read grades and certificates, for LERNITO_OUTCOMES',
  needs: ['settings', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    if (facts.settings.LERNITO_OUTCOMES === 'off') return skipped('LERNITO_OUTCOMES is off, so nobody reads them')
    const problems: Problem[] = []
    for (const request of READS) {
      const read = await call({ facts, tools, request })
      if (!read.ok) problems.push(problemWith(read.problem, request.endpoint))
    }
    return problems.length > 0 ? failed(problems) : passed('read for an account that does not exist')
  },
})

/** Sales go on without these APIs, so what to do differs from the other calls. */
function problemWith(found: Problem, endpoint: string): Problem {
  if (found.cause === 'call.forbidden') return problem('outcomes.forbidden', { endpoint })
  return found.cause === 'call.missing' ? problem('outcomes.missing', { endpoint }) : found
}

export const API_CHECKS = [
  COURSES,
  ACCOUNTS,
  ENROLLMENT_VERSION,
  ENROLLMENT,
  ENROLLMENT_LIST,
  ENROLLMENT_ALLOWED,
  ALLOWANCES,
  OUTCOMES,
]
