import { type Account, isSameAddress, isThere, type KnownAccount } from '../../lms/apis/accounts.ts'
import { type Allowance, userOfAllowance } from '../../lms/apis/enrollment-allowed.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import type { Line } from '../../sale/line.ts'
import type { CallContext } from '../pair.ts'

/** Whom a withdrawal from one course is about. */
export interface Buyer {
  /** The account that the course was given to; without one, that of the address. */
  readonly account: Account
  /** The account that the course was given to, as far as it is known. */
  readonly given: KnownAccount | null
  /** The allowances that concern the buyer: if another account has the address by now, those that the buyer has used. */
  readonly allowances: readonly Allowance[]
  /** The address that the account has now, if that is another one than the sale's; null otherwise. */
  readonly movedTo: string | null
  /** Whether another account than the one that the course was given to has the address by now. */
  readonly isTaken: boolean
  /** Whether the account that the course was given to no longer exists: nobody has the course by it. */
  readonly isGone: boolean
}

interface Found {
  readonly email: string
  /** The account that has the address now, and all allowances for the address. */
  readonly account: Account
  readonly allowances: readonly Allowance[]
}

/**
 * Finds the buyer of a course by the account that the course was given to, or by the address if none is known. A retired
 * account is found, too: whoever cancels the deletion within two weeks has all courses again.
 * @param of.given null if no account is known
 */
export async function findBuyer({
  lms,
  given,
  ...found
}: Found & { lms: Pick<Lms, 'accountById'>; given: KnownAccount | null }): Promise<Judged<Buyer>> {
  const { email, account } = found
  if (given === null || isThere(account, given)) {
    return succeeded({ ...found, given, movedTo: null, isTaken: false, isGone: false })
  }
  const byId = await lms.accountById(given)
  if (!byId.ok) return byId
  const { value } = byId
  // The other allowances of an address are those of the account that has it.
  const isTaken = 'username' in account
  const allowances = isTaken ? found.allowances.filter(({ usedBy }) => usedBy === given.id) : found.allowances
  const isGone = value.status === 'gone'
  const common = { given, allowances, isTaken, isGone }
  if (value.status === 'gone') return succeeded({ ...common, account: { status: 'unknown' }, movedTo: null })
  const { username, id, address, status } = value
  const person: Account = { status: 'active', username, id }
  const isElsewhere = status === 'registered' && !isSameAddress(address, email)
  return succeeded({ ...common, account: person, movedTo: isElsewhere ? address : null })
}

/** A course, what the sale reported there, and the account that it was given to; null if none is known. */
export type GivenCourse = Pick<Line, 'course' | 'account' | 'claimed' | 'result'>

/**
 * The account that a course was given to. If the sale made an allowance, it is the one that has used that: whoever leaves
 * the address soon after the activation is seen by no check. A sale that enrolled an account made none: the one there is
 * another sale's.
 */
function givenTo(
  { course, account, claimed, result }: GivenCourse,
  allowances: readonly Allowance[],
): KnownAccount | null {
  const isByAllowance = claimed || (account === null && result !== 'enrolled')
  return isByAllowance ? (userOfAllowance(allowances, course) ?? account) : account
}

/** Finds the buyers of several courses of one sale, in their order. */
export async function findBuyers<Course extends GivenCourse>({
  lms,
  acquire,
  email,
  courses,
}: CallContext & { email: string; courses: readonly Course[] }): Promise<
  Judged<readonly { readonly of: Course; readonly buyer: Buyer }[]>
> {
  // In this order: a buyer who activates an account in between still has the allowance, and the account too.
  const allowances = await lms.allowances(await acquire(), { email })
  if (!allowances.ok) return allowances
  const account = await lms.account(email)
  if (!account.ok) return account
  const there = { email, account: account.value, allowances: allowances.value }
  const buyers: { of: Course; buyer: Buyer }[] = []
  for (const of of courses) {
    const buyer = await findBuyer({ lms, ...there, given: givenTo(of, allowances.value) })
    if (!buyer.ok) return buyer
    buyers.push({ of, buyer: buyer.value })
  }
  return succeeded(buyers)
}
