import type { Lms } from '../lms/lms.ts'
import type { Delivery } from '../sale/types.ts'
import { resolveCourses } from './courses.ts'
import { beginWork, failAll, type Work } from './work.ts'

/**
 * Begins the work on a delivery. Checks its courses and, if the effect of an earlier attempt is unknown, whether the
 * person has an account. If so, the person goes alone, and the next call reads the person's state in the LMS before
 * enrolling. Neither look-up is throttled. Results are recorded in the work.
 * @throws Error for a delivery without a request
 */
export async function admit({
  delivery,
  lms,
}: {
  delivery: Delivery
  lms: Pick<Lms, 'course' | 'account'>
}): Promise<Work> {
  const { request } = delivery
  if (request === null) throw new Error(`delivery ${delivery.id} is due but has no request`)
  const resolved = await resolveCourses({ ids: request.courseIds, lms, since: delivery.replayedAt })
  const work = beginWork({ delivery, request, courses: resolved.kind === 'courses' ? resolved.keys : [] })
  if (resolved.kind === 'reason') work.reasons.push(resolved.reason)
  if (resolved.kind === 'failure') work.failures.push({ ...resolved.failure, course: resolved.course })
  if (!delivery.effectUnknown || work.open.size === 0) return work
  const account = await lms.account(request.email)
  if (!account.ok) failAll({ works: [work], courses: [...work.open], failure: account.failure })
  else if (account.value.status !== 'unknown') {
    work.readFirst = true
    work.alone = true
  }
  return work
}
