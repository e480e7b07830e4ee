import {
  type AccountById,
  type FoundAccounts,
  isSameAddress,
  isThere,
  type KnownAccount,
} from '../../lms/apis/accounts.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import type { LmsAccount } from '../../sale/line.ts'
import type { SeenAccount } from './standing.ts'

/** What the look for accounts needs. */
export interface AskingAccounts {
  readonly lms: Pick<Lms, 'account' | 'accountById' | 'searchEmails'>
  /** Called right before each call. Rejects if the work has to stop. */
  readonly beforeCall: () => Promise<void>
}

/**
 * The account at an address, by what search_emails has found. That doesn't tell whether an account is active, and takes a
 * retired account for an unknown one. An address that may be that of another account is asked for alone.
 */
export async function accountAt(
  asking: AskingAccounts,
  email: string,
  { accounts, others }: FoundAccounts,
): Promise<Judged<SeenAccount>> {
  const found = accounts.get(email)
  if (found !== undefined) return succeeded(registered(found))
  if (!others.has(email)) return succeeded({ status: 'unknown' })
  await asking.beforeCall()
  const account = await asking.lms.account(email)
  if (!account.ok) return account
  return succeeded('username' in account.value ? registered(account.value) : account.value)
}

/** Whether it is active is asked again where it matters: the person may have activated it since. */
const registered = ({ username, id }: LmsAccount): SeenAccount => ({ status: 'registered', username, id })

/**
 * The accounts that courses were given to and that are not at the address any more: one call for each. Of one that the LMS has
 * no more, nobody is the buyer: whoever has the address now is another person.
 * @param of.given the account of a course, by its true key
 */
export async function findLeft(
  asking: AskingAccounts,
  {
    email,
    given,
    account,
  }: { email: string; given: readonly { course: string; to: KnownAccount }[]; account: SeenAccount },
): Promise<Judged<Map<string, SeenAccount>>> {
  const left = new Map<string, SeenAccount>()
  const known = new Map<number, SeenAccount | null>()
  for (const { course, to } of given) {
    if (isThere(account, to)) continue
    if (!known.has(to.id)) {
      await asking.beforeCall()
      const found = await asking.lms.accountById(to)
      if (!found.ok) return found
      const isHere = found.value.status !== 'gone' && isSameAddress(found.value.address, email)
      known.set(to.id, isHere ? null : seenById(found.value))
    }
    const seen = known.get(to.id) ?? null
    if (seen !== null) left.set(course, seen)
  }
  return succeeded(left)
}

const seenById = (found: AccountById): SeenAccount =>
  found.status === 'registered' ? registered(found) : { status: found.status }
