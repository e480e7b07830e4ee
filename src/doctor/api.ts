import { accountRequest, judgeAccount } from '../openedx/accounts.ts'
import { bulkAvailableRequest, judgeBulkAvailable } from '../openedx/bulk-enroll.ts'
import { courseListRequest, judgeCourseList, type ListedCourse } from '../openedx/course-list.ts'
import { courseRequest, judgeCourse } from '../openedx/courses.ts'
import { enrollmentRequest, judgeEnrollment } from '../openedx/enrollment.ts'
import { allowancesRequest, judgeAllowances } from '../openedx/enrollment-allowed.ts'
import { enrollmentListRequest, judgeEnrollmentList } from '../openedx/enrollment-list.ts'
import { call, callProblem, unreachedCall } from './calls.ts'
import { problem } from './causes.ts'
import { type Check, check, ill, skipped, well } from './check.ts'

/** Nobody has it: .invalid is reserved for that (RFC 2606). */
const NOBODY = 'lernito-doctor@example.invalid'
/** So many courses are looked through, and so many ids are shown. */
const PAGE_SIZE = 50
const SHOWN = 5

const COURSES: Check = check({
  id: 'lms.courses',
  about: 'whether the service user sees courses, and which the shop can sell',
  needs: ['settings', 'lms.token'],
  look: async (facts, tools) => {
    const { username } = facts['lms.token']
    const listed = await call({
      facts,
      tools,
      request: courseListRequest({ username, pageSize: PAGE_SIZE }),
      judge: (answer) => judgeCourseList(answer, { username }),
    })
    // It has a limit of its own, and the service never asks for it: the enrolling calls may have room all the same.
    if (!listed.ok && listed.problem.cause === 'call.throttled') {
      return ill([problem('courses.throttled', {})], { 'lms.courses': null })
    }
    if (!listed.ok) return ill([listed.problem])
    const { count, courses } = listed.value
    const first = courses.find(({ open }) => open) ?? courses[0]
    const request = first === undefined ? null : courseRequest({ key: first.key, username })
    if (first === undefined || request === null) return ill([problem('courses.none', {})], { 'lms.courses': null })

    const read = await call({ facts, tools, request, judge: judgeCourse })
    if (!read.ok) return ill([read.problem])
    if (read.value === null) return ill([problem('courses.unseen', { course: first.key })])
    const gives = { 'lms.courses': read.value.key }
    return first.open ? well(sellable(count, courses), gives) : ill([problem('courses.none_open', {})], gives)
  },
})

function sellable(count: number, courses: readonly ListedCourse[]): string {
  const open = courses.filter((course) => course.open).map(({ key }) => key)
  const more = open.length > SHOWN || count > courses.length ? ', …' : ''
  return `${count} in all; courseIds that the shop can send: ${open.slice(0, SHOWN).join(', ')}${more}`
}

const ACCOUNTS: Check = check({
  id: 'lms.accounts',
  about: 'whether it may look up accounts by e-mail',
  needs: ['settings', 'lms.token', 'lms.staff'],
  look: async (facts, tools) => {
    const of = { email: NOBODY }
    const judge = (answer: Parameters<typeof judgeAccount>[0]) => judgeAccount(answer, of)
    const read = await call({ facts, tools, request: accountRequest(of), judge })
    return read.ok ? well('asked for an address that nobody has') : ill([read.problem])
  },
})

const ENROLLMENT: Check = check({
  id: 'lms.enrollment',
  about: 'whether it may read enrollments',
  needs: ['settings', 'lms.token', 'lms.staff', 'lms.courses'],
  look: async (facts, tools) => {
    const course = facts['lms.courses']
    if (course === null) return skipped('no course is known to ask about')
    const of = { username: facts['lms.token'].username, course }
    const judge = (answer: Parameters<typeof judgeEnrollment>[0]) => judgeEnrollment(answer, of)
    const read = await call({ facts, tools, request: enrollmentRequest(of), judge })
    return read.ok ? well('asked for its own') : ill([read.problem])
  },
})

const ENROLLMENT_LIST: Check = check({
  id: 'lms.enrollment_list',
  about: 'whether it may list the enrollments of an address, as reconcile does',
  needs: ['settings', 'lms.token', 'lms.staff'],
  look: async (facts, tools) => {
    const request = enrollmentListRequest({ email: NOBODY })
    const read = await call({ facts, tools, request, judge: judgeEnrollmentList })
    return read.ok ? well('asked for an address that nobody has') : ill([read.problem])
  },
})

const ENROLLMENT_ALLOWED: Check = check({
  id: 'lms.enrollment_allowed',
  about: 'whether it may read allowances',
  needs: ['settings', 'lms.token', 'lms.staff'],
  look: async (facts, tools) => {
    const of = { email: NOBODY }
    const judge = (answer: Parameters<typeof judgeAllowances>[0]) => judgeAllowances(answer, of)
    const read = await call({ facts, tools, request: allowancesRequest(of), judge })
    return read.ok ? well('asked for an address that nobody has') : ill([read.problem])
  },
})

const BULK: Check = check({
  id: 'lms.bulk_enroll',
  about: 'whether the LMS has bulk_enroll',
  needs: ['settings', 'lms'],
  look: async ({ settings }, { askLms }) => {
    const request = bulkAvailableRequest()
    const heard = await askLms({ settings, request })
    if (!heard.ok) return ill([unreachedCall(heard, request.endpoint)])
    const judged = judgeBulkAvailable(heard.answer)
    if (!judged.ok) return ill([callProblem(judged.failure)])
    if (judged.value) return well('up to 50 people are enrolled in one call')
    const paced = settings.LERNITO_LMS_CALLS_PER_MINUTE > 0
    return ill([problem(paced ? 'bulk.off' : 'bulk.off_without_budget', {})])
  },
})

/** What a stock LMS allows to staff (recorded: throttle.json). What is really set can't be asked for. */
const STOCK_CALLS = 120

const THROTTLE: Check = check({
  id: 'lms.throttle',
  about: 'LERNITO_LMS_CALLS_PER_MINUTE, compared with the throttle of a stock LMS',
  needs: ['settings'],
  look: ({ settings: { LERNITO_LMS_CALLS_PER_MINUTE: calls } }) => {
    if (calls === 0) return ill([problem('throttle.unlimited', {})])
    if (calls > STOCK_CALLS) return ill([problem('throttle.above_stock', { setting: String(calls) })])
    return well(`${calls} of ${STOCK_CALLS}`)
  },
})

export const API_CHECKS: readonly Check[] = [
  COURSES,
  ACCOUNTS,
  ENROLLMENT,
  ENROLLMENT_LIST,
  ENROLLMENT_ALLOWED,
  BULK,
  THROTTLE,
]
