import { z } from 'zod'
import { type Answer, judgeOther, readAs } from '../client/answer.ts'
import { type Endpoint, type Judged, succeeded } from '../client/failure.ts'
import { jsonBody, type LmsRequest } from '../client/transport.ts'
import { isUsername } from './accounts.ts'
import { addressKey, maskAddress, takenFor } from './address.ts'

/** No slash at the end: with one, the LMS has no such page (recorded: 'search_emails with a trailing slash'). */
const ENDPOINT: Endpoint = '/api/user/v1/accounts/search_emails'

/** The most addresses in a call: 65 ms of the LMS's time (recorded: costs-lists.json). */
export const SEARCH_ADDRESSES = 1000

/** The accounts of the requested addresses. Retired ones are left out, and nothing tells whether one is active. */
export interface FoundAccounts {
  /** The user names, by the address as it was requested. */
  readonly usernames: ReadonlyMap<string, string>
  /**
   * Requested addresses without an account of their own that the LMS's database takes, or may take, for another
   * person's. The value is the masked address of that person.
   */
  readonly others: ReadonlyMap<string, string>
}

const accounts = z.array(z.object({ email: z.string(), username: z.string().refine(isUsername) }))

/**
 * Searches the accounts of many addresses at once. The LMS doesn't throttle it (recorded: people-lists.json).
 * @throws Error for more than SEARCH_ADDRESSES addresses
 */
export function searchEmailsRequest(of: { emails: readonly string[] }): LmsRequest {
  if (of.emails.length > SEARCH_ADDRESSES) throw new Error(`search at most ${SEARCH_ADDRESSES} addresses a call`)
  return { method: 'POST', endpoint: ENDPOINT, path: ENDPOINT, body: jsonBody({ emails: of.emails }) }
}

/**
 * The accounts that were found. null if the LMS lets the service user search none: a version without it has no such page
 * or method, and one with it answers 404 to everybody but staff (recorded: people-lists.json, 'search_emails: non-staff
 * application'). The answer has another order than the call, and no trace of unknown addresses.
 */
export function judgeSearchEmails(answer: Answer, asked: { emails: readonly string[] }): Judged<FoundAccounts | null> {
  if (answer.status === 404 || answer.status === 405) return succeeded(null)
  if (answer.status !== 200) return judgeOther(answer, ENDPOINT)
  const read = readAs(answer, ENDPOINT, accounts)
  if (!read.ok) return read
  const byKey = new Map(read.value.map((account) => [addressKey(account.email), account]))
  const usernames = new Map<string, string>()
  for (const email of asked.emails) {
    const account = byKey.get(addressKey(email))
    if (account !== undefined) usernames.set(email, account.username)
  }
  const requested = new Set(asked.emails.map(addressKey))
  const strangers = read.value.map(({ email }) => email).filter((email) => !requested.has(addressKey(email)))
  return succeeded({ usernames, others: othersOf({ asked: asked.emails, usernames, strangers }) })
}

/**
 * The answer doesn't say which requested address the database takes for a stranger's. Where it can't be told, it may be
 * any address that has no account.
 */
function othersOf({
  asked,
  usernames,
  strangers,
}: {
  asked: readonly string[]
  usernames: ReadonlyMap<string, string>
  strangers: readonly string[]
}): Map<string, string> {
  const others = new Map<string, string>()
  const unknown = asked.filter((email) => !usernames.has(email))
  for (const stranger of strangers) {
    for (const email of takenFor(stranger, unknown)) others.set(email, maskAddress(stranger))
  }
  return others
}
