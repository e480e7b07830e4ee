import { batchCanName } from '../openedx/batch-answer.ts'
import { SEARCH_ADDRESSES } from '../openedx/search-emails.ts'
import type { Batch } from './batches.ts'
import type { ModeOf } from './course-mode.ts'
import type { CallContext } from './pair.ts'
import { failAll, type Work } from './work.ts'

/** How long the result of a search counts, in ms: people who register meanwhile are a few. */
const VALID_MS = 10_000

/**
 * The batch without the people for whom it would enroll another person. The LMS's database takes ä for a, so a call for
 * an address without an account enrolls the owner of one that differs only in an accent (recorded:
 * enrollments-modify.json, 'SURPRISE: …'), and its answer doesn't show it. A search for all addresses of the batch does,
 * and it also has those of the works that wait for their own batch, so that a rush needs few searches. Each person whom
 * the LMS may take for another is marked to go singly, where the account is looked up and its address compared.
 *
 * For a course with a mode of the setting, all who have an account go singly too: their enrollment has to be read first,
 * so that a paid mode which they lost isn't given back, and a batch can't name a mode. Where the LMS can't search, that
 * is everybody.
 *
 * If the LMS can't be reached, the batch fails, since nothing was changed yet. If it can't search, the batch is made as
 * it is.
 * @param of.waiting the works that are in no call
 */
export async function leaveOutOthers({
  batch,
  lms,
  waiting,
  modeOf,
}: Pick<CallContext, 'lms'> & { batch: Batch; waiting: readonly Work[]; modeOf: ModeOf }): Promise<Batch> {
  const { works, courses } = batch
  const isDue = ({ searchedAt }: Work): boolean => searchedAt === null || performance.now() - searchedAt > VALID_MS
  if (works.some(isDue)) {
    const others = waiting.filter((work) => isDue(work) && batchCanName(work.request.email))
    const failure = await search({ works: [...works, ...others].slice(0, SEARCH_ADDRESSES), lms })
    if (failure?.kind === 'unreachable') {
      failAll({ works, courses, failure })
      return { courses, works: [] }
    }
  }
  const isForMode = courses.some((course) => modeOf(course) !== null)
  for (const work of works) if (isForMode && work.hasAccount !== false) work.alone = true
  return { courses, works: works.filter(({ alone }) => !alone) }
}

/** Searches the accounts of these people. Gives the failure, or null if there was none. */
async function search({ works, lms }: Pick<CallContext, 'lms'> & { works: readonly Work[] }) {
  const found = await lms.searchEmails([...new Set(works.map((work) => work.request.email))])
  if (!found.ok) return found.failure
  for (const work of works) {
    work.searchedAt = performance.now()
    if (found.value?.others.has(work.request.email)) work.alone = true
    work.hasAccount = found.value?.usernames.has(work.request.email) ?? null
  }
  return null
}
