import { type FoundAccounts, isThere, SEARCH_ADDRESSES } from '../lms/apis/accounts.ts'
import { batchCanName } from '../lms/apis/batch-answer.ts'
import { type Failure, type Judged, succeeded } from '../lms/client/failure.ts'
import { type LmsAccount, lineOf } from '../sale/line.ts'
import type { Batch } from './batches.ts'
import type { ModeOf } from './course-mode.ts'
import type { CallContext } from './pair.ts'
import { failed, goesSingly, recordAll, sendSingly, type Work } from './work.ts'

/** How long the result of a search counts, in ms: people who register meanwhile are a few. */
const VALID_MS = 10_000

interface Looking extends Pick<CallContext, 'lms'> {
  readonly works: readonly Work[]
}

/**
 * The batch without the people for whom it would change another person's account, which its answer doesn't show:
 * - The LMS's database takes ä for a, so a call for an address without an account enrolls the owner of one that differs
 *   only in an accent (recorded: enrollments-modify.json, 'SURPRISE: …'). A search for all addresses of the batch shows
 *   it. It also has those of the works that wait for their own batch, so that a rush needs few searches.
 * - The LMS takes an address for a user name too, and a stranger can have the buyer's address as one (see batchCanName).
 *   Where the search finds no account, the user names are asked for right before the call. Where it finds one, the LMS
 *   fails for this person (recorded there, 'an address that is one person's user name and another's e-mail …').
 * Each such person is marked to go singly: that way, an account is named by its own user name after its address was
 * compared, and an allowance is for an address only.
 *
 * A repeat for an address that its buyer has left goes singly, too: the buyer may still have the course.
 *
 * After a call of unknown effect, all who have an account go singly too, since they may have been refunded meanwhile. For a
 * course with a mode of the setting, so do all others who have one: their enrollment has to be read first, so that a paid
 * mode which they lost isn't given back, and a batch can't name a mode.
 *
 * If one of these look-ups fails, so does the batch, since nothing was changed yet.
 * @param of.waiting the works that are in no call
 */
export async function leaveOutOthers({
  batch,
  lms,
  waiting,
  modeOf,
}: Pick<CallContext, 'lms'> & { batch: Batch; waiting: readonly Work[]; modeOf: ModeOf }): Promise<Batch> {
  const { works, courses } = batch
  const failure = (await findAccounts({ works, waiting, lms })) ?? (await findNamesakes({ works, lms }))
  if (failure !== null) {
    recordAll(batch, failed(failure))
    return { courses, works: [] }
  }
  const isForMode = courses.some((course) => modeOf(course) !== null)
  for (const work of works) if (isForMode && work.account !== null) sendSingly(work)
  return { courses, works: works.filter((work) => !goesSingly(work)) }
}

/** Finds out who has an account. Gives the failure, or null if there was none. */
async function findAccounts({ works, waiting, lms }: Looking & { waiting: readonly Work[] }): Promise<Failure | null> {
  const askedAt = performance.now()
  const isDue = ({ searchedAt, readFirstSince }: Work): boolean =>
    searchedAt === null || searchedAt < (readFirstSince ?? searchedAt) || askedAt - searchedAt > VALID_MS
  if (!works.some(isDue)) return null
  const others = waiting.filter((work) => isDue(work) && batchCanName(work.request.email))
  const all = [...works, ...others].slice(0, SEARCH_ADDRESSES)
  const searched = await lms.searchEmails([...new Set(all.map((work) => work.request.email))])
  if (!searched.ok && searched.failure.kind === 'unreachable') return searched.failure
  const found = searched.ok ? searched : await lookUpEach({ works, lms })
  if (!found.ok) return found.failure
  for (const work of searched.ok ? all : works) {
    const { email } = work.request
    work.searchedAt = askedAt
    work.account = found.value.accounts.get(email) ?? null
    const isReadFirst = work.readFirstSince !== null && work.account !== null
    if (isReadFirst || found.value.others.has(email) || hasLeft(work)) sendSingly(work)
  }
  return null
}

/** What a search finds, while it fails: 9 to 12 ms of the LMS's time for each person (recorded: costs-lists.json). */
async function lookUpEach({ works, lms }: Looking): Promise<Judged<FoundAccounts>> {
  const [accounts, others] = [new Map<string, LmsAccount>(), new Map<string, string>()]
  const emails = works.map((work) => work.request.email)
  const asked = await Promise.all(emails.map(async (email) => ({ email, account: await lms.account(email) })))
  for (const { email, account } of asked) {
    if (!account.ok) return account
    if ('username' in account.value) accounts.set(email, account.value)
    if (account.value.status === 'other_account') others.set(email, account.value.address)
  }
  return succeeded({ accounts, others })
}

/**
 * Whether an account that the sale gave a course to before is not, by its id, the one that has the address now, or may not
 * be: only the allowance tells who has used it.
 */
const hasLeft = ({ account, open, delivery: { lines, doneAt } }: Work): boolean =>
  [...open].some((course) => {
    const { account: known = null, claimed = false } = lineOf(lines, course) ?? {}
    if (known === null) return doneAt !== null && account !== null
    return claimed || account === null || !isThere(account, known)
  })

/** Marks those whose address is a stranger's user name. Gives the failure, or null if there was none. */
async function findNamesakes({ works, lms }: Looking): Promise<Failure | null> {
  const unknown = works.filter((work) => !goesSingly(work) && work.account === null)
  if (unknown.length === 0) return null
  const taken = await lms.takenAsUsernames([...new Set(unknown.map((work) => work.request.email))])
  if (!taken.ok) return taken.failure
  for (const work of unknown) if (taken.value.has(work.request.email)) sendSingly(work)
  return null
}
