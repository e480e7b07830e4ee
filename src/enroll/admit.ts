import type { Lms } from '../lms/lms.ts'
import { isCourseKey } from '../sale/course-key.ts'
import type { Delivery } from '../sale/types.ts'
import { beginWork, type Work } from './work.ts'

/**
 * Begins the work on a delivery. Checks the course keys as the original plugin does: one by one in their order, format
 * before existence, so that the result names the first mistake. The work has the keys as the LMS spells them, each once: an
 * allowance for a key in another letter case, or for a course that doesn't exist, would break the person's activation.
 * @throws Error for a delivery without a request
 */
export async function admit({ delivery, lms }: { delivery: Delivery; lms: Pick<Lms, 'course'> }): Promise<Work> {
  const { request } = delivery
  if (request === null) throw new Error(`delivery ${delivery.id} is due but has no request`)
  const begin = (courses: Iterable<string>, found: Partial<Pick<Work, 'reasons' | 'failures'>> = {}): Work => ({
    ...beginWork({ delivery, request, courses: [...courses] }),
    ...found,
  })
  // An operator has fixed courses before a replay: those that were looked up before are looked up again.
  const since = delivery.replayedAt ?? 0
  const keys = new Set<string>()
  for (const id of request.courseIds) {
    if (!isCourseKey(id)) return begin([], { reasons: [{ code: 'course_key.malformed', subject: id }] })
    const course = await lms.course(id, since)
    if (!course.ok) {
      const message = `${course.failure.message}, for ${id}` // the endpoint has {course} in its place
      return begin([], { failures: [{ ...course.failure, message, course: id }] })
    }
    if (course.value === null) return begin([], { reasons: [{ code: 'course.missing', subject: id }] })
    keys.add(course.value.key)
  }
  return begin(keys)
}
