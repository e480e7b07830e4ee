import type { Failure } from '../lms/client/failure.ts'
import type { Lms } from '../lms/lms.ts'
import { isCourseKey } from '../sale/course-key.ts'
import type { Reason } from '../sale/reasons.ts'

export type Resolved =
  | { readonly kind: 'courses'; readonly keys: readonly string[] }
  | { readonly kind: 'reason'; readonly reason: Reason }
  | { readonly kind: 'failure'; readonly course: string; readonly failure: Failure }

/**
 * Checks the course keys as the original plugin does: one by one in their order, format before existence, so that the
 * result names the first mistake. Gives the keys as the LMS spells them, each once: an allowance for a key in another
 * letter case, or for a course that doesn't exist, would break the person's activation.
 */
export async function resolveCourses({
  ids,
  lms,
  since = null,
}: {
  ids: readonly string[]
  lms: Pick<Lms, 'course'>
  /**
   * Courses that were looked up before this time (ms since 1970) are looked up again: an operator has fixed them since.
   */
  since?: number | null
}): Promise<Resolved> {
  const keys = new Set<string>()
  for (const id of ids) {
    if (!isCourseKey(id)) return { kind: 'reason', reason: { code: 'course_key.malformed', subject: id } }
    const course = await lms.course(id, since ?? 0)
    if (!course.ok) return { kind: 'failure', course: id, failure: course.failure }
    if (course.value === null) return { kind: 'reason', reason: { code: 'course.missing', subject: id } }
    keys.add(course.value.key)
  }
  return { kind: 'courses', keys: [...keys] }
}
