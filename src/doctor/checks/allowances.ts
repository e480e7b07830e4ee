import { waitingCourses } from '../../enroll/follow-up/reported.ts'
import { courseRequest, judgeCourse } from '../../lms/apis/courses.ts'
import { problem } from '../causes/causes.ts'
import { type Check, check, failed, passed } from '../check.ts'
import { call } from './calls.ts'

/** At most this many courses are looked up, one call each. */
const MAX_COURSES = 50
/** An LMS with CCX off fails for these keys, so that it says nothing about the course (see lookUpCourse). */
const CCX = /^ccx-v1:/

/** An allowance for a course that the LMS doesn't have locks the buyer out: see createDanglingCheck. */
const ALLOWANCES: Check = check({
  id: 'lms.allowances',
  about: 'whether the LMS still has the courses for which pre-enrolled buyers wait',
  needs: ['settings', 'database', 'lms.token', 'lms.staff'],
  examine: async (facts, tools) => {
    const { username } = facts['lms.token']
    const courses = waitingCourses(facts.database.preEnrolled).filter((key) => !CCX.test(key))
    const gone: string[] = []
    for (const key of courses.slice(0, MAX_COURSES)) {
      const request = courseRequest({ key, username })
      const read = request === null ? null : await call({ facts, tools, request, judge: judgeCourse })
      if (read !== null && !read.ok) return failed([read.problem])
      if (read === null || read.value === null) gone.push(key)
    }
    if (gone.length > 0) return failed(gone.map((course) => problem('allowances.dangling', { course })))
    if (courses.length === 0) return passed('no buyer waits')
    const all = courses.length > MAX_COURSES ? `the first ${MAX_COURSES} of ${courses.length}` : `${courses.length}`
    return passed(`looked up: ${all}`)
  },
})

export const ALLOWANCE_CHECKS: readonly Check[] = [ALLOWANCES]
