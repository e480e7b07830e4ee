import type { Batch } from './batches.ts'
import type { CallContext } from './pair.ts'
import { failAll } from './work.ts'

/**
 * The batch without the people for whom it would enroll somebody else. The LMS's database takes ä for a, so a call for
 * an address without an account enrolls the owner of one that differs only in an accent (recorded:
 * enrollments-modify.json, 'SURPRISE: …'), and its answer doesn't show it. One search for all addresses of the batch
 * does. Whoever may be meant otherwise is marked to go singly, where the account is looked up and its address compared.
 *
 * If the LMS can't be reached, the batch fails, since nothing was changed yet. If it can't search, the batch is made as
 * it is.
 */
export async function leaveOutOthers({ batch, lms }: Pick<CallContext, 'lms'> & { batch: Batch }): Promise<Batch> {
  const { works, courses } = batch
  const found = await lms.searchEmails(works.map((work) => work.request.email))
  if (!found.ok && found.failure.kind === 'unreachable') {
    failAll({ works, courses, failure: found.failure })
    return { courses, works: [] }
  }
  if (!found.ok || found.value === null) return batch
  const { others } = found.value
  for (const work of works) if (others.has(work.request.email)) work.alone = true
  return { courses, works: works.filter((work) => !others.has(work.request.email)) }
}
