import type { Failure } from '../lms/client/failure.ts'
import type { Lms } from '../lms/lms.ts'
import { isCourseKey } from '../sale/course-key.ts'
import type { Delivery, EnrollmentRequest, Reason } from '../sale/types.ts'
import { beginWork, type Work } from './work.ts'

/**
 * Begins the work on a delivery. Checks its courses, which isn't throttled. Results are recorded in the work.
 * @throws Error for a delivery without a request
 */
export async function admit({ delivery, lms }: { delivery: Delivery; lms: Pick<Lms, 'course'> }): Promise<Work> {
  const { request } = delivery
  if (request === null) throw new Error(`delivery ${delivery.id} is due but has no request`)
  const resolved = await resolveCourses(lms, { ...delivery, request })
  const work = beginWork({ delivery, request, courses: resolved.kind === 'courses' ? resolved.keys : [] })
  if (resolved.kind === 'reason') work.reasons.push(resolved.reason)
  if (resolved.kind === 'failure') work.failures.push({ ...resolved.failure, course: resolved.course })
  return work
}

type Resolved =
  | { readonly kind: 'courses'; readonly keys: readonly string[] }
  | { readonly kind: 'reason'; readonly reason: Reason }
  | { readonly kind: 'failure'; readonly course: string; readonly failure: Failure }

/**
 * Checks the course keys as the original plugin does: one by one in their order, format before existence, so that the
 * result names the first mistake. Gives the keys as the LMS spells them, each once: an allowance for a key in another
 * letter case, or for a course that doesn't exist, would break the person's activation.
 */
async function resolveCourses(
  lms: Pick<Lms, 'course'>,
  { request: { courseIds }, replayedAt }: Pick<Delivery, 'replayedAt'> & { request: EnrollmentRequest },
): Promise<Resolved> {
  // An operator has fixed courses before a replay: those that were looked up before are looked up again.
  const since = replayedAt ?? 0
  const keys = new Set<string>()
  for (const id of courseIds) {
    if (!isCourseKey(id)) return { kind: 'reason', reason: { code: 'course_key.malformed', subject: id } }
    const course = await lms.course(id, since)
    if (!course.ok) return { kind: 'failure', course: id, failure: course.failure }
    if (course.value === null) return { kind: 'reason', reason: { code: 'course.missing', subject: id } }
    keys.add(course.value.key)
  }
  return { kind: 'courses', keys: [...keys] }
}
