import { BULK_AVAILABLE } from '../../lms/apis/bulk-enroll.ts'
import { modesOnSaleCall } from '../../lms/apis/course-modes.ts'
import { MODIFY_AVAILABLE } from '../../lms/apis/instructor-enrollments.ts'
import { canBeCourse } from '../../sale/course-key.ts'
import { check, type Facts, failed, type Problem, passed, problem, skipped } from '../check.ts'
import { call } from './api.ts'

/** The fix names two settings: a flat one since Willow, a key of FEATURES before. Each is harmless in every release. */
const BULK = check({
  id: 'lms.bulk_enroll',
  about: 'whether the LMS can enroll several people in a call (bulk_enroll or enrollments/modify)',
  needs: ['settings', 'lms'],
  examine: async ({ settings }, tools) => {
    const bulk = await call({ facts: { settings }, tools, request: BULK_AVAILABLE })
    if (!bulk.ok) return failed([bulk.problem])
    const modify = await call({ facts: { settings }, tools, request: MODIFY_AVAILABLE })
    const hasModify = modify.ok && modify.value
    const gives = { 'lms.bulk_enroll': bulk.value || hasModify }
    if (gives['lms.bulk_enroll']) {
      const apis = [...(bulk.value ? ['bulk_enroll'] : []), ...(hasModify ? ['enrollments/modify'] : [])]
      return passed(`one call of ${apis.join(' or ')} enrolls up to 50 people`, gives)
    }
    const paced = settings.LERNITO_LMS_CALLS_PER_MINUTE > 0
    return failed([problem(paced ? 'bulk.off' : 'bulk.off_without_budget', {})], gives)
  },
})

/** The calls a minute that a stock LMS allows staff (recorded: throttle.json). No API tells the real limit. */
const STOCK_CALLS = 120

const THROTTLE = check({
  id: 'lms.throttle',
  about: 'LERNITO_LMS_CALLS_PER_MINUTE, compared with the throttle of a stock LMS',
  needs: ['settings'],
  examine: ({ settings: { LERNITO_LMS_CALLS_PER_MINUTE: calls } }) => {
    if (calls === 0) return failed([problem('throttle.unlimited', {})])
    if (calls > STOCK_CALLS) return failed([problem('throttle.above_stock', { setting: String(calls) })])
    return passed(`${calls} of ${STOCK_CALLS} calls a minute`)
  },
})

/**
 * The LMS tells each network address the modes of 40 courses a minute, whoever asks (Open edX, enrollments/views.py:
 * EnrollmentCourseDetailView has no authentication, and EnrollmentUserThrottle).
 */
const MODES_READ = 20

const COURSE_MODE = check({
  id: 'lms.course_mode',
  about: 'whether the courses, at most 20 of them, have the modes of LERNITO_COURSE_MODE',
  needs: ['settings', 'lms.courses'],
  examine: async ({ settings, 'lms.courses': known }, tools) => {
    const { LERNITO_COURSE_MODE: setting } = settings
    if (setting === undefined) return skipped('LERNITO_COURSE_MODE is not set')
    const { count, pairs } = modesToRead(setting, known)
    if (pairs.length === 0) return skipped('no course is known')
    const problems: Problem[] = []
    for (const [course, mode] of pairs.slice(0, MODES_READ)) {
      const request = canBeCourse(course) ? modesOnSaleCall({ course }) : null
      const read = request === null ? null : await call({ facts: { settings }, tools, request })
      if (read !== null && !read.ok) return failed([...problems, modesProblem(read.problem)])
      if (read === null || read.value === null) problems.push(problem('mode.no_course', { course }))
      else if (!read.value.includes(mode)) problems.push(problem('mode.missing', { course, mode }))
    }
    if (problems.length > 0) return failed(problems)
    const read = Math.min(pairs.length, MODES_READ)
    return passed(`${read} of ${count} courses checked${read < count ? '; the others may lack the mode' : ''}`)
  },
})

/** No sale needs these calls, and doctor itself may have made those that were too many. */
const modesProblem = (found: Problem): Problem =>
  found.cause === 'call.throttled' ? problem('mode.throttled', {}) : found

/** The courses that the setting names, and with a mode for all those that the LMS lists. `count`: of all of them. */
function modesToRead(
  { all, byCourse }: { readonly all: string | null; readonly byCourse: ReadonlyMap<string, string> },
  known: Facts['lms.courses'],
): { count: number; pairs: readonly (readonly [course: string, mode: string])[] } {
  const named = [...byCourse]
  if (all === null || known === null) return { count: named.length, pairs: named }
  const others = known.keys.filter((key) => !byCourse.has(key)).map((key) => [key, all] as const)
  const pairs = [...named, ...others]
  return { count: Math.max(known.count, pairs.length), pairs }
}

const MAILS = check({
  id: 'lms.email_students',
  about: 'whether the LMS can mail buyers, if LERNITO_EMAIL_STUDENTS is on',
  needs: ['settings', 'lms.bulk_enroll'],
  examine: ({ settings, 'lms.bulk_enroll': hasBatches }) => {
    if (!settings.LERNITO_EMAIL_STUDENTS) return skipped('LERNITO_EMAIL_STUDENTS is off')
    if (!hasBatches) return failed([problem('mails.without_batches', {})])
    return passed('the calls can ask for mails; whether the LMS can send them cannot be checked from here')
  },
})

export const ENROLLING_CHECKS = [BULK, THROTTLE, COURSE_MODE, MAILS]
