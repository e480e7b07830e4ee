import { accountRequest, judgeAccount } from '../../lms/apis/accounts.ts'
import {
  courseListRequest,
  courseRequest,
  judgeCourse,
  judgeCourseList,
  type ListedCourse,
} from '../../lms/apis/courses.ts'
import {
  enrollmentListRequest,
  enrollmentRequest,
  judgeEnrollment,
  judgeEnrollmentList,
} from '../../lms/apis/enrollment.ts'
import { allowancesRequest, judgeAllowances } from '../../lms/apis/enrollment-allowed.ts'
import { problem } from '../causes/causes.ts'
import { type Check, check, failed, passed, skipped } from '../check.ts'
import { call } from './calls.ts'

/** An address that nobody has: .invalid is reserved (RFC 2606). */
const NOBODY = 'lernito-doctor@example.invalid'
/** The number of courses that are read, and of course keys that are shown. */
const PAGE_SIZE = 50
const SHOWN = 5

const COURSES: Check = check({
  id: 'lms.courses',
  about: 'whether the service user sees courses, and which courses the shop can sell',
  needs: ['settings', 'lms.token'],
  examine: async (facts, tools) => {
    const { username } = facts['lms.token']
    const listed = await call({
      facts,
      tools,
      request: courseListRequest({ username, pageSize: PAGE_SIZE }),
      judge: (answer) => judgeCourseList(answer, { username }),
    })
    // The list has its own limit, and the service never reads it. The enrolling calls may work anyway.
    if (!listed.ok && listed.problem.cause === 'call.throttled') {
      return failed([problem('courses.throttled', {})], { 'lms.courses': null })
    }
    if (!listed.ok) return failed([listed.problem])
    const { count, courses } = listed.value
    const first = courses.find(({ open }) => open) ?? courses[0]
    const request = first === undefined ? null : courseRequest({ key: first.key, username })
    if (first === undefined || request === null) return failed([problem('courses.none', {})], { 'lms.courses': null })

    const read = await call({ facts, tools, request, judge: judgeCourse })
    if (!read.ok) return failed([read.problem])
    if (read.value === null) return failed([problem('courses.unseen', { course: first.key })])
    const others = courses.filter(({ key }) => key !== first.key).sort((a, b) => Number(b.open) - Number(a.open))
    const keys: [string, ...string[]] = [read.value.key, ...others.map(({ key }) => key)]
    const gives = { 'lms.courses': { count, keys } }
    return first.open ? passed(sellable(count, courses), gives) : failed([problem('courses.none_open', {})], gives)
  },
})

function sellable(count: number, courses: readonly ListedCourse[]): string {
  const open = courses.filter((course) => course.open).map(({ key }) => key)
  const more = open.length > SHOWN || count > courses.length ? ', …' : ''
  return `${count} in all; courseIds that the shop can send: ${open.slice(0, SHOWN).join(', ')}${more}`
}

const ACCOUNTS: Check = check({
  id: 'lms.accounts',
  about: 'whether the service user may look up accounts by e-mail address',
  needs: ['settings', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    const of = { email: NOBODY }
    const judge = (answer: Parameters<typeof judgeAccount>[0]) => judgeAccount(answer, of)
    const read = await call({ facts, tools, request: accountRequest(of), judge })
    return read.ok ? passed('read with an address that nobody has') : failed([read.problem])
  },
})

const ENROLLMENT: Check = check({
  id: 'lms.enrollment',
  about: 'whether the service user may read enrollments',
  needs: ['settings', 'lms.token', 'lms.staff', 'lms.courses'],
  examine: async (facts, tools) => {
    const known = facts['lms.courses']
    if (known === null) return skipped('no course is known')
    const [course] = known.keys
    const of = { username: facts['lms.token'].username, course }
    const judge = (answer: Parameters<typeof judgeEnrollment>[0]) => judgeEnrollment(answer, of)
    const read = await call({ facts, tools, request: enrollmentRequest(of), judge })
    return read.ok ? passed('read its own enrollment') : failed([read.problem])
  },
})

const ENROLLMENT_LIST: Check = check({
  id: 'lms.enrollment_list',
  about: 'whether the service user may list the enrollments of an address, as reconcile does',
  needs: ['settings', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    const request = enrollmentListRequest({ email: NOBODY })
    const read = await call({ facts, tools, request, judge: judgeEnrollmentList })
    return read.ok ? passed('read with an address that nobody has') : failed([read.problem])
  },
})

const ENROLLMENT_ALLOWED: Check = check({
  id: 'lms.enrollment_allowed',
  about: 'whether the service user may read allowances',
  needs: ['settings', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    const of = { email: NOBODY }
    const judge = (answer: Parameters<typeof judgeAllowances>[0]) => judgeAllowances(answer, of)
    const read = await call({ facts, tools, request: allowancesRequest(of), judge })
    return read.ok ? passed('read with an address that nobody has') : failed([read.problem])
  },
})

export const API_CHECKS: readonly Check[] = [COURSES, ACCOUNTS, ENROLLMENT, ENROLLMENT_LIST, ENROLLMENT_ALLOWED]
