import { z } from 'zod'
import { type Answer, jsonOf, judgeOther, notUnderstood, readAs } from '../client/answer.ts'
import { type Judged, succeeded } from '../client/failure.ts'
import type { LmsRequest } from '../client/transport.ts'
import { isSameAddress, maskAddress, takenFor } from './address.ts'
import { PATH_BYTES } from './enrollment-list.ts'

const ENDPOINT = '/api/user/v1/accounts'

/**
 * The account that has an address. `inactive`: the person registered and has not activated. `retired`: the person had
 * the account deleted. `other_account`: the LMS matches the address to an account with another address, masked here.
 */
export type Account =
  | { readonly status: 'active' | 'inactive'; readonly username: string }
  | { readonly status: 'unknown' }
  | { readonly status: 'retired' }
  | { readonly status: 'other_account'; readonly address: string }

const accounts = z.tuple([
  z.object({ username: z.string().refine(isUsername), email: z.string(), is_active: z.boolean() }),
])
const namesakes = z.array(z.object({ username: z.string(), email: z.string() }))
const retired = z.object({ error_msg: z.string() })

/**
 * Wider than the LMS's own rule (letters, digits, spaces and `.@_+-`). It only has to keep a name within its segment of
 * a path, even behind a proxy that decodes paths.
 */
export function isUsername(text: string): boolean {
  return /^[^/\\?#%\p{Cc}\p{Cs}]+$/u.test(text)
}

/**
 * The LMS compares addresses by its database's rules, which ignore letter case (recorded: accounts.json) and accents.
 */
export function accountRequest(of: { email: string }): LmsRequest {
  const query = new URLSearchParams({ email: of.email })
  return { method: 'GET', endpoint: ENDPOINT, path: `${ENDPOINT}?${query}`, body: null }
}

/**
 * Unknown and retired are both 404. The body tells them apart: it is empty, or has `error_msg` (recorded:
 * accounts.json, 'unknown', 'retired person').
 */
export function judgeAccount(answer: Answer, asked: { email: string }): Judged<Account> {
  if (answer.status === 200) {
    const read = readAs(answer, ENDPOINT, accounts)
    if (!read.ok) return read
    const [account] = read.value
    if (!isSameAddress(account.email, asked.email)) {
      return succeeded({ status: 'other_account', address: maskAddress(account.email) })
    }
    return succeeded({ status: account.is_active ? 'active' : 'inactive', username: account.username })
  }
  if (answer.status === 404) {
    if (answer.text === '') return succeeded({ status: 'unknown' })
    if (retired.safeParse(jsonOf(answer)).success) return succeeded({ status: 'retired' })
    if (jsonOf(answer) !== undefined) return notUnderstood(answer, ENDPOINT)
  }
  return judgeOther(answer, ENDPOINT)
}

/**
 * Requests the accounts whose user names are these addresses, in as few calls as their length allows: some 100 addresses
 * a call. The LMS splits the list at commas, and selects the names as its database compares them.
 */
export function namesakeRequests(of: { emails: readonly string[] }): { request: LmsRequest; emails: string[] }[] {
  const groups: string[][] = []
  for (const email of of.emails) {
    const last = groups.at(-1)
    if (last !== undefined && namesakePath([...last, email]).length <= PATH_BYTES) last.push(email)
    else groups.push([email])
  }
  const requestOf = (path: string): LmsRequest => ({ method: 'GET', endpoint: ENDPOINT, path, body: null })
  return groups.map((emails) => ({ emails, request: requestOf(namesakePath(emails)) }))
}

const namesakePath = (emails: readonly string[]): string =>
  `${ENDPOINT}?${new URLSearchParams({ username: emails.join(',') })}`

/**
 * Those of the addresses that are, or may be, the user name of an account with another address. The LMS leaves out names
 * that nobody has, and answers 404 if that is all of them (recorded: people-lists.json, 'accounts: three user names, one
 * unknown …', 'accounts: only unknown ones').
 */
export function judgeNamesakes(answer: Answer, asked: { emails: readonly string[] }): Judged<ReadonlySet<string>> {
  if (answer.status === 404 && answer.text === '') return succeeded(new Set())
  if (answer.status !== 200) return judgeOther(answer, ENDPOINT)
  const read = readAs(answer, ENDPOINT, namesakes)
  if (!read.ok) return read
  const taken = read.value.flatMap(({ username, email }) =>
    takenFor(username, asked.emails).filter((one) => !isSameAddress(one, email)),
  )
  return succeeded(new Set(taken))
}
