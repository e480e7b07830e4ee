import { type AccountById, isSameAddress, isThere, type KnownAccount } from '../../lms/apis/accounts.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import type { SeenAccount } from './standing.ts'

/** What the look for accounts needs. */
export interface AskingAccounts {
  readonly lms: Pick<Lms, 'account' | 'accountById' | 'searchEmails'>
  /** Called right before each call. Rejects if the work has to stop. */
  readonly beforeCall: () => Promise<void>
}

/** By address. */
export type Accounts = ReadonlyMap<string, SeenAccount>

/**
 * Finds the accounts of these addresses in one call of search_emails. It doesn't tell whether an account is
 * active, and takes a retired account for an unknown one. An address that may be that of another account is asked for
 * alone. Yields what each call found, or its failure: its addresses are then left out.
 */
export async function* findAccounts(
  asking: AskingAccounts,
  emails: readonly string[],
): AsyncGenerator<Judged<Accounts>> {
  await asking.beforeCall()
  const searched = await asking.lms.searchEmails(emails)
  if (!searched.ok) return yield searched
  const { accounts: found, others } = searched.value
  const accounts = new Map<string, SeenAccount>()
  for (const email of emails) {
    const account = found.get(email)
    if (account !== undefined) accounts.set(email, { status: 'registered', ...account })
    else if (!others.has(email)) accounts.set(email, { status: 'unknown' })
  }
  yield succeeded(accounts)
  for (const email of emails.filter((one) => !accounts.has(one))) {
    await asking.beforeCall()
    const account = await asking.lms.account(email)
    if (!account.ok) yield account
    else yield succeeded(new Map([[email, 'username' in account.value ? registered(account.value) : account.value]]))
  }
}

/** Whether it is active is asked again where it matters: the person may have activated it since. */
const registered = ({ username, id }: { username: string; id?: number }): SeenAccount => ({
  status: 'registered',
  username,
  ...(id === undefined ? {} : { id }),
})

/**
 * The accounts that courses were given to and that are not at the address any more: one call for each. For one that the
 * LMS has no more, the buyer is again whoever has the address.
 * @param of.given the account of a course, by its true key
 */
export async function findLeft(
  asking: AskingAccounts,
  { email, given, account }: { email: string; given: readonly Given[]; account: SeenAccount },
): Promise<Judged<Map<string, SeenAccount>>> {
  const left = new Map<string, SeenAccount>()
  const known = new Map<number, SeenAccount | null>()
  for (const { course, to } of given) {
    if (isThere(account, to)) continue
    if (!known.has(to.id)) {
      await asking.beforeCall()
      const found = await asking.lms.accountById(to)
      if (!found.ok) return found
      const isHere = found.value.status === 'gone' || isSameAddress(found.value.address, email)
      known.set(to.id, isHere ? null : seenById(found.value))
    }
    const seen = known.get(to.id) ?? null
    if (seen !== null) left.set(course, seen)
  }
  return succeeded(left)
}

/** A course, and the account that it was given to. */
export interface Given {
  readonly course: string
  readonly to: KnownAccount
}

const seenById = (found: AccountById): SeenAccount =>
  found.status === 'registered' ? registered(found) : { status: 'retired' }
