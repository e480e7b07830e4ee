import { z } from 'zod'
import {
  type Answer,
  jsonOf,
  judgeAvailable,
  judgeOk,
  lmsTime,
  notStaff,
  notUnderstood,
  readOk,
} from '../client/answer.ts'
import { failed, type Judged, succeeded } from '../client/failure.ts'
import { getRequest, jsonRequest, type LmsCall } from '../client/transport.ts'
import { courseInPath } from './courses.ts'
import { type PeopleOfCourse, peopleRequests } from './people-lists.ts'

const READ_ENDPOINT = '/api/enrollment/v1/enrollment/{username},{course}'
const ENROLL_ENDPOINT = '/api/enrollment/v1/enrollment'
/**
 * Of version 2, which the service doesn't use. It stands beside version 1, which openedx/openedx-platform#39128 announces
 * to remove (openedx/openedx-platform at 0f1ccfaf4d33, of 2026: openedx/core/djangoapps/enrollments/v2/urls.py).
 */
const V2_ENDPOINT = '/api/enrollment/v2/enrollment/'

export interface Enrollment {
  readonly active: boolean
  readonly mode: string
  /** When the person was first enrolled, in ms since 1970; null for a row that was not made by the LMS's own code. */
  readonly created: number | null
  /** Slugs of the course modes that the course offers now. */
  readonly courseModes: readonly string[]
}

const common = z.object({
  user: z.string(),
  is_active: z.boolean(),
  mode: z.string(),
})
const enrollment = common.extend({
  // The column can be null: openedx/openedx-platform, common/djangoapps/student/models/course_enrollment.py, `created`.
  created: lmsTime.nullable(),
  course_details: z.object({ course_id: z.string(), course_modes: z.array(z.object({ slug: z.string() })) }),
})

/**
 * Asks whether the LMS has a version of the enrollment API (recorded: enrollment-v1.json, 'no authorization';
 * lms-next/next.json, 'v2: no authorization'). Needs no authorization, so it isn't throttled.
 */
export const enrollmentVersionCall = (version: 1 | 2): LmsCall<boolean> => ({
  ...getRequest(version === 1 ? ENROLL_ENDPOINT : V2_ENDPOINT),
  judge: judgeAvailable,
})

/** One person in one course. */
export interface PersonInCourse {
  readonly username: string
  readonly course: string
}

/**
 * Requests one person's enrollment in one course. null if never enrolled: the LMS answers 200 without a body (recorded:
 * enrollment-v1.json, 'read, not enrolled').
 */
export const enrollmentCall = (of: PersonInCourse): LmsCall<Enrollment | null> => ({
  ...getRequest(READ_ENDPOINT, {
    at: { username: encodeURIComponent(of.username), course: courseInPath(of.course) },
  }),
  judge: (answer) => {
    if (answer.status === 200 && answer.text === '') return succeeded(null)
    return judgeOk(answer, enrollment, ({ user, is_active: active, mode, created, course_details: course }) => {
      if (user !== of.username || course.course_id !== of.course) return undefined
      return { active, mode, created, courseModes: course.course_modes.map(({ slug }) => slug) }
    })
  },
})

/** The enrollment after a call that changes it. */
type Changed = Pick<Enrollment, 'active' | 'mode'>

/**
 * Enrolls a registered person, activated or not. `force` enrolls in closed and invitation-only courses, but never in
 * full ones (recorded: enrollment-v1.json), and in a mode whose sale has ended (recorded: lms-newer/paid-modes.json,
 * 'verified whose sale has ended, named, force_enrollment'). With `mode` null, the LMS chooses the course mode: the course's
 * default, or that of an earlier, inactive enrollment (recorded: modes-and-inactive.json).
 */
export const enrollCall = (of: PersonInCourse & { mode: string | null; force?: boolean }): LmsCall<Changed> =>
  changeCall(of, {
    // Without it, an inactive enrollment can change its mode and stay inactive.
    is_active: true,
    force_enrollment: of.force ?? true,
    ...(of.mode === null ? {} : { mode: of.mode }),
  })

/**
 * Changes the course mode of an enrollment. Without `is_active`, one that has become inactive stays inactive, so this
 * enrolls nobody who was unenrolled meanwhile. Only for a person whose enrollment has another mode: the LMS takes a call
 * that changes nothing for one that enrolls.
 */
export const changeModeCall = (of: PersonInCourse & { mode: string }): LmsCall<Changed> =>
  changeCall(of, { mode: of.mode })

/**
 * Unenrolls a person, whose enrollment keeps its mode. Only for one who has an enrollment: for anyone else, the LMS makes an
 * inactive one (recorded: lms-newer/unenroll.json, 'v1: is_active false for a person never enrolled …'). Names no mode:
 * another one than that of the enrollment is refused (recorded there, 'v1: is_active false with another mode named').
 */
export const unenrollCall = (of: PersonInCourse): LmsCall<Changed> => changeCall(of, { is_active: false })

interface Change {
  readonly is_active?: boolean
  readonly force_enrollment?: boolean
  readonly mode?: string
}

const changeCall = (of: PersonInCourse, change: Change): LmsCall<Changed> => ({
  ...jsonRequest({
    endpoint: ENROLL_ENDPOINT,
    body: { user: of.username, ...change, course_details: { course_id: of.course } },
  }),
  judge: (answer) => judgeChange(answer, { ...of, ...change }),
})

/**
 * The enrollment after the call. `refused`, with the LMS's message, if it rejects this person or course.
 * `misconfigured` if the LMS does something other than it was asked to.
 */
function judgeChange(answer: Answer, asked: PersonInCourse & Change): Judged<Changed> {
  const { status } = answer
  // Recorded: enrollment-v1.json, 'enrol another person as a non-staff application'. Staff never get a bare 404.
  if (status === 404 && answer.text === '') {
    return failed({ kind: 'misconfigured', ...answer, message: notStaff(answer) })
  }
  const message = refusalOf(answer, asked)
  if (message !== null) return failed({ kind: 'refused', ...answer, message })
  const read = readOk(answer, enrollment)
  if (!read.ok) return read
  const { user, is_active: active, mode, course_details: course } = read.value
  // An LMS ignores a field that it doesn't know, and enrolls the caller if it finds no user
  // (recorded: enrollment-v1.json, 'neither user nor e-mail: the caller is enrolled').
  if (user !== asked.username) {
    const message = 'The LMS enrolled a different user than requested: this service does not support its version'
    return failed({ kind: 'misconfigured', ...answer, message })
  }
  const isAsked = course.course_id === asked.course && active === (asked.is_active ?? active)
  return isAsked ? succeeded({ active, mode }) : notUnderstood(answer)
}

const refusal = z.object({ message: z.string() })
/**
 * By a rule about countries or a plugin's filter, the LMS refuses with 403 (quoted: enrollment-refused.json). A gateway's
 * 403 can have a `message`, too, but neither of the other fields.
 */
const notAllowed = z
  .looseObject(refusal.shape)
  .refine((body) => 'user_message_url' in body || 'localizedMessage' in body)

/**
 * The LMS's message about this person or course (recorded: enrollment-v1.json, statuses 400 and 406), or null. Without the
 * user name, because the message goes to the log and to the shop.
 */
function refusalOf(answer: Answer, { username }: PersonInCourse): string | null {
  if (![400, 403, 406].includes(answer.status)) return null
  const read = (answer.status === 403 ? notAllowed : refusal).safeParse(jsonOf(answer))
  if (!read.success) return null
  const message = read.data.message.replaceAll(`user '${username}'`, 'the buyer')
  // The LMS gives every cause the same message (recorded: 'course full', 'enrolment closed').
  const namesNoCause = message.startsWith('An error occurred while creating')
  return namesNoCause ? `${message} (most likely the course is full; the LMS's log has the cause)` : message
}

/** Without a slash at the end, as recorded. */
const LIST_ENDPOINT = '/api/enrollment/v1/enrollments'
/** The most people in a call, because the LMS refuses more (recorded: people-lists.json, '101 user names'); and on a page. */
const PEOPLE = 100
const row = common
  .extend({ course_id: z.string() })
  .transform(({ user: username, course_id: course, is_active: active, mode }) => {
    return { username, course, active, mode }
  })
/** A row of CourseEnrollment. It stays after unenrolling, with `active` false. */
export type EnrollmentRow = Readonly<z.output<typeof row>>
/** The only page: everybody who is asked for fits on it. */
const page = z.object({ next: z.null(), results: z.array(row) })

const LIST = peopleRequests({ endpoint: LIST_ENDPOINT, most: PEOPLE, query: { page_size: String(PEOPLE) } })

/** Divides people into groups that each fit in one call for this course. All have names that listCanNameUser accepts. */
export const groupsForCourseList = LIST.groups

/**
 * Requests the enrollments of these people in one course. At most one row for each person: someone who was never enrolled
 * has none (recorded: 'by user names and course').
 * @throws Error for a name that listCanNameUser rejects, and for more than fit: see groupsForCourseList
 */
export const courseEnrollmentListCall = (of: PeopleOfCourse): LmsCall<readonly EnrollmentRow[]> => ({
  ...LIST.request(of),
  judge: (answer) =>
    judgeOk(answer, page, ({ results }) =>
      results.every(({ username, course }) => of.usernames.includes(username) && course === of.course)
        ? results
        : undefined,
    ),
})
