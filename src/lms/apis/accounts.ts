import { z } from 'zod'
import { caseless } from '../../sale/course-key.ts'
import type { LmsAccount } from '../../sale/line.ts'
import { type Answer, hasShape, jsonOf, judgeOk, notStaff, notUnderstood } from '../client/answer.ts'
import { failed, type Judged, oneLine, succeeded } from '../client/failure.ts'
import { getRequest, jsonRequest, type LmsCall, type LmsRequest } from '../client/transport.ts'
import { groupsThatFit, PATH_BYTES } from './people-lists.ts'

/**
 * Whether two addresses belong to the same person. Letter case doesn't count, as everywhere in the LMS. Its database
 * also takes ä for a, ｅ for e and ı for i (recorded: lms-newer/people-lists.json, 'search_emails: SURPRISE an unknown
 * address that the database takes for another …'), but those are other mailboxes.
 */
export const isSameAddress = (a: string, b: string): boolean => caseless(a) === caseless(b)

/**
 * A text that two addresses share if the LMS's database most likely takes them for each other: without accents, and with
 * plain forms of compatibility characters. It doesn't cover every rule of the collation.
 */
const addressLikeness = (address: string): string =>
  address.normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('ı', 'i').replaceAll('ß', 'ss').trimEnd().toLowerCase()

/**
 * Those of the texts that the LMS's database may take for this one: the most likely ones, or all of them where that
 * can't be told.
 */
function takenFor(text: string, texts: readonly string[]): readonly string[] {
  const alike = texts.filter((other) => addressLikeness(other) === addressLikeness(text))
  return alike.length > 0 ? alike : texts
}

/** An address for a log or an operator, without the person's name: `a***@example.com`. At most 300 characters. */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const first = /^[\p{L}\p{N}]/u.exec(address)?.[0] ?? ''
  return oneLine(`${first}***${at === -1 ? '' : address.slice(at)}`)
}

const ENDPOINT = '/api/user/v1/accounts'

/**
 * The account that has an address. `inactive`: the person registered and has not activated. `retired`: the person had the
 * account deleted. `other_account`: the LMS matches the address to an account with another address, masked here.
 */
export type Account =
  | ({ readonly status: 'active' | 'inactive' } & LmsAccount)
  | { readonly status: 'unknown' }
  | { readonly status: 'retired' }
  | { readonly status: 'other_account'; readonly address: string }

const named = z.object({ username: z.string().refine(isUsername), email: z.string(), id: z.int() })
const accounts = z.tuple([named.extend({ is_active: z.boolean() })])
const namesakes = z.array(z.object({ username: z.string(), email: z.string() }))
const retired = z.object({ error_msg: z.string() })

/**
 * Wider than the LMS's own rule (letters, digits, spaces and `.@_+-`). It only has to keep a name within its segment of
 * a path, even behind a proxy that decodes paths.
 */
function isUsername(text: string): boolean {
  return /^[^/\\?#%\p{Cc}\p{Cs}]+$/u.test(text)
}

/**
 * Requests the account of an address. The LMS compares addresses by its database's rules, which ignore letter case
 * (recorded: accounts.json) and accents. Unknown and retired are both 404. The body tells them apart: it is empty, or has
 * `error_msg` (recorded: accounts.json, 'unknown', 'retired person').
 */
export const accountCall = (of: { email: string }): LmsCall<Account> => ({
  ...getRequest(ENDPOINT, { query: { email: of.email } }),
  judge: (answer) => {
    if (answer.status === 404) {
      if (answer.text === '') return succeeded({ status: 'unknown' })
      if (hasShape(answer, 404, retired)) return succeeded({ status: 'retired' })
      if (jsonOf(answer) !== undefined) return notUnderstood(answer)
    }
    return judgeOk(answer, accounts, ([{ email, is_active: isActive, ...account }]): Account => {
      if (!isSameAddress(email, of.email)) return { status: 'other_account', address: maskAddress(email) }
      return { status: isActive ? 'active' : 'inactive', ...account }
    })
  },
})

/**
 * A known account, at whatever address it is now. A retired one has an address that receives no mail, and another username
 * soon. `gone`: the LMS has it no more. It was deleted, or the LMS is another one by now, in which the id is nobody's or
 * somebody else's.
 */
export type AccountById =
  | ({ readonly status: 'registered' | 'retired'; readonly address: string } & LmsAccount)
  | { readonly status: 'gone' }

/** An account by its number. Its username is absent if only an allowance names it. */
export type KnownAccount = Pick<LmsAccount, 'id'> & Partial<LmsAccount>

const byId = z.tuple([named])

/**
 * Requests a known account by its id, which the LMS looks at only if the query has no username and no email (quoted:
 * account-by-id.json). A username changes only when the account is retired, so one with another username is not the known
 * account. An LMS that doesn't know the query answers with the account of the service user: it is not understood.
 */
export const accountByIdCall = (of: KnownAccount): LmsCall<AccountById> => ({
  ...getRequest(ENDPOINT, { query: { lms_user_id: String(of.id) } }),
  judge: (answer) => {
    if (answer.status === 404 && answer.text === '') return succeeded({ status: 'gone' })
    return judgeOk(answer, byId, ([{ id, username, email: address }]): AccountById | undefined => {
      if (id !== of.id) return undefined
      if (isRetiredAddress(address)) return { status: 'retired', id, username, address }
      const isKnown = of.username === undefined || of.username === username
      return isKnown ? { status: 'registered', id, username, address } : { status: 'gone' }
    })
  },
})

/** Whether the account that was found at an address is a known one. In another LMS, only its username is the same. */
export const isThere = (account: { readonly status: string } | LmsAccount, known: KnownAccount): boolean =>
  'username' in account && (account.id === known.id || account.username === known.username)

/** By RETIRED_EMAIL_PREFIX and RETIRED_EMAIL_DOMAIN in lms/envs/common.py, which sites leave as they are. */
const isRetiredAddress = (address: string): boolean =>
  address.startsWith('retired__user_') || address.endsWith('@retired.invalid')

/**
 * Requests the accounts whose user names are these addresses, in as few calls as their length allows: some 80 addresses
 * a call. The LMS splits the list at commas, and selects the names as its database compares them.
 */
export const namesakeCalls = (of: { emails: readonly string[] }): LmsCall<ReadonlySet<string>>[] =>
  groupsThatFit(of.emails, (some) => namesakeRequest(some).path.length <= PATH_BYTES).map((emails) => ({
    ...namesakeRequest(emails),
    judge: (answer) => judgeNamesakes(answer, emails),
  }))

const namesakeRequest = (emails: readonly string[]): LmsRequest =>
  getRequest(ENDPOINT, { query: { username: emails.join(',') } })

/**
 * Those of the addresses that are, or may be, the user name of an account with another address. The LMS leaves out names
 * that nobody has, and answers 404 if that is all of them (recorded: people-lists.json, 'accounts: three user names, one
 * unknown …', 'accounts: only unknown ones').
 */
function judgeNamesakes(answer: Answer, emails: readonly string[]): Judged<ReadonlySet<string>> {
  if (answer.status === 404 && answer.text === '') return succeeded(new Set())
  const takenBy = ({ username, email }: z.infer<typeof namesakes>[number]): string[] =>
    takenFor(username, emails).filter((one) => !isSameAddress(one, email))
  return judgeOk(answer, namesakes, (accounts) => new Set(accounts.flatMap(takenBy)))
}

/** No slash at the end: with one, the LMS has no such page (recorded: 'search_emails with a trailing slash'). */
const SEARCH_ENDPOINT = '/api/user/v1/accounts/search_emails'

/**
 * The most addresses in a call, at most 20 ms of the LMS's time (recorded: costs-lists.json). More would make a body of more
 * than 8 KB, which a firewall in front of the LMS may refuse, as the core rule set of AWS WAF does.
 */
export const SEARCH_ADDRESSES = 200

/** The accounts of the requested addresses. Retired ones are left out, and nothing tells whether one is active. */
export interface FoundAccounts {
  /** By the address as it was requested. */
  readonly accounts: ReadonlyMap<string, LmsAccount>
  /**
   * Requested addresses without an account of their own that the LMS's database takes, or may take, for another
   * person's. The value is the masked address of that person.
   */
  readonly others: ReadonlyMap<string, string>
}

const foundAccounts = z.array(named)

/**
 * Searches the accounts of many addresses at once. The LMS answers 404 to everybody but staff (recorded: people-lists.json,
 * 'search_emails: non-staff application'), and doesn't throttle it (recorded there).
 * @throws Error for more than SEARCH_ADDRESSES addresses
 */
export function searchEmailsCall({ emails }: { emails: readonly string[] }): LmsCall<FoundAccounts> {
  if (emails.length > SEARCH_ADDRESSES) throw new Error(`search at most ${SEARCH_ADDRESSES} addresses a call`)
  return {
    ...jsonRequest({ endpoint: SEARCH_ENDPOINT, body: { emails }, changes: false }),
    judge: (answer) => judgeSearch(answer, emails),
  }
}

/** The answer has another order than the call, and no trace of unknown addresses. */
function judgeSearch(answer: Answer, emails: readonly string[]): Judged<FoundAccounts> {
  if (answer.status === 404) return failed({ kind: 'misconfigured', ...answer, message: notStaff(answer) })
  return judgeOk(answer, foundAccounts, (accounts) => foundOf(accounts, emails))
}

function foundOf(accounts: z.infer<typeof foundAccounts>, emails: readonly string[]): FoundAccounts {
  const byKey = new Map(accounts.map(({ email, ...account }) => [caseless(email), account]))
  const found = new Map<string, LmsAccount>()
  for (const email of emails) {
    const account = byKey.get(caseless(email))
    if (account !== undefined) found.set(email, account)
  }
  const requested = new Set(emails.map(caseless))
  const strangers = accounts.map(({ email }) => email).filter((email) => !requested.has(caseless(email)))
  // The answer doesn't say which requested address the database takes for a stranger's. Where it can't be told, it may be
  // any address that has no account.
  const others = new Map<string, string>()
  const unknown = emails.filter((email) => !found.has(email))
  for (const stranger of strangers) {
    for (const email of takenFor(stranger, unknown)) others.set(email, maskAddress(stranger))
  }
  return { accounts: found, others }
}
