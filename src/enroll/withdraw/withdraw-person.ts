import { FREE_MODES } from '../../lms/apis/course-modes.ts'
import { isUnused, mayStillEnroll } from '../../lms/apis/enrollment-allowed.ts'
import { type Failed, type Failure, failed, type Judged, succeeded } from '../../lms/client/failure.ts'
import { readRequest } from '../../queue/rows.ts'
import type { Attempted, ClaimedOrder } from '../../queue/withdrawals/claimed-order.ts'
import type { CourseWithdrawal, Line } from '../../sale/line.ts'
import type { CallContext } from '../pair.ts'
import { type Buyer, findBuyer, findBuyers } from './find-buyer.ts'
import { readInCourse } from './what-stands.ts'

/** The results so far, by course key as it was sent, and the failure that ended the attempt; null if it is complete. */
export interface AttemptedPerson extends Omit<Attempted, 'message'> {
  readonly failure: Failure | null
}

/** The other sales of a buyer in a course, as they are stored. `isIn`: whether a look has just found the buyer in it. */
interface OtherSales {
  /** The delivery that keeps the course for the buyer, see Buyer; null if none does. */
  keeperOf(course: string, buyer: Of, isIn: boolean): Promise<string | null>
  /** What this service gave the buyer there, by this sale or another one. */
  givenTo(course: string, buyer: Of): Promise<Given>
}
type Of = Pick<Buyer, 'account' | 'isTaken' | 'movedTo'>
type Given = Pick<Line, 'modeBefore'> & { readonly gave: boolean }

/**
 * Takes the buyer of a delivery out of the courses of an order, one after the other, reported or not. Nothing is looked at
 * if no attempt of the delivery can have had an effect.
 * @throws what `acquire`, `onFound` and `onTaking` reject with, and ZodError or SyntaxError for an unreadable row
 */
export async function withdrawPerson({
  order: { delivery, lines },
  others,
  onFound,
  onTaking,
  ...context
}: CallContext & {
  order: Pick<ClaimedOrder, 'delivery' | 'lines'>
  /** Asked before each course. */
  others: OtherSales
  /** Called with the buyers of the lines, in their order, before the courses are read. Rejects if the order must wait. */
  onFound: (buyers: readonly Pick<Buyer, 'account' | 'given' | 'movedTo'>[]) => Promise<void>
  /** Called before the calls that take the buyer out of a course, with its key as it was sent. */
  onTaking: (sent: string) => Promise<void>
}): Promise<AttemptedPerson> {
  const { email } = readRequest(delivery.request ?? 'null')
  const results = new Map<string, CourseWithdrawal>()
  const lacking = new Set<string>()
  if (delivery.may_have_effect === 0) {
    for (const { sent } of lines) results.set(sent, { kind: 'nothing', mode: null, why: '' })
    return { results, failure: null }
  }
  const found = await findBuyers({ ...context, email, courses: lines })
  if (!found.ok) return { results, failure: found.failure }
  await onFound(found.value.map(({ buyer }) => buyer))
  for (const { of: line, buyer } of found.value) {
    const { sent, course, result, withdrawal } = line
    const order = {
      ...buyer,
      email,
      course,
      wasEnrolled: result === 'enrolled',
      paid: withdrawal.paid,
      hadBefore: withdrawal.hadBefore,
      hasCalled: withdrawal.called,
      keeper: (isIn: boolean) => others.keeperOf(course, buyer, isIn),
      givenHere: () => others.givenTo(course, buyer),
      onTaking: () => onTaking(sent),
      onLacking: () => void lacking.add(sent),
    }
    const withdrawn = await withdrawCourse({ ...context, ...order })
    if (withdrawn.ok) results.set(sent, withdrawn.value)
    else if (withdrawn.failure.kind !== 'refused') return { results, failure: withdrawn.failure }
    else results.set(sent, { kind: 'kept', mode: null, why: withdrawn.failure.message })
  }
  return { results, lacking, failure: null }
}

/** One person and one course of an order. */
interface CourseOrder extends CallContext, Buyer {
  readonly email: string
  /** The true key, or the key as it was sent if the delivery never reported the course. */
  readonly course: string
  /** Whether the delivery reported an enrollment there, and not only an allowance. */
  readonly wasEnrolled: boolean
  /** Whether to take away a paid course mode too. */
  readonly paid: boolean
  /** Whether to take away what the person had before the sale, too. */
  readonly hadBefore: boolean
  /** Whether an earlier attempt of the order has made a call that takes the person out. */
  readonly hasCalled: boolean
  /** The delivery that keeps the course for the person; null if none does. `isIn`: whether they were found in it just now. */
  readonly keeper: (isIn: boolean) => Promise<string | null>
  /** What this service gave the person in the course. */
  readonly givenHere: () => Promise<Given>
  /** Called before the calls that take the person out, which may end early. */
  readonly onTaking: () => Promise<void>
  /** Called if a call of the order has undone what another sale keeps. */
  readonly onLacking: () => void
}

const STILL_THERE = failed({
  kind: 'server_error',
  endpoint: '/api/enrollment/v1/enrollment',
  status: 200,
  message: 'The LMS answered, and the person is still in the course',
  mayHaveTakenEffect: true,
})

/**
 * Takes a person out of one course: unenrolls them, and deletes the allowance that would enroll them later. Reads first
 * and afterwards, so it is safe to repeat. It never touches the enrollment or the allowance of another address that the
 * LMS's database takes for this one, nor a paid mode or what the person had before the sale unless the order says so. A person
 * who was never enrolled gets no inactive enrollment.
 *
 * What another sale keeps stays. By what is stored, that needs no look, unless a call of the order may have undone it; and what
 * is stored of an access that ended is void if the person is found in the course.
 */
export async function withdrawCourse(order: CourseOrder): Promise<Judged<CourseWithdrawal>> {
  const { hasCalled } = order
  const keptBy = await order.keeper(false)
  if (keptBy !== null && !hasCalled) return leaveTo(keptBy)
  const kept = reasonToKeep(order)
  if (kept !== null) return keptBy === null ? keep(kept) : leaveTo(keptBy)
  const moved = order.movedTo ? ({ moved: true } as const) : {}
  const read = await readInCourse(order)
  if (!read.ok) return read
  const { enrollment, allowance } = read.value
  const isActive = enrollment?.active === true
  const isAllowed = allowance !== null && mayStillEnroll(allowance)
  const isIn = isActive || isAllowed
  const keeper = keptBy ?? (isIn ? await order.keeper(true) : null)
  if (keeper !== null) {
    if (!isIn) order.onLacking()
    return leaveTo(keeper)
  }
  if (allowance?.used && order.account.status === 'unknown' && !order.isGone) return keep(USED)
  const mode = enrollment?.mode ?? null
  if (!isIn) return succeeded({ kind: 'nothing', mode, why: '', ...moved })
  const { gave, modeBefore } = await order.givenHere()
  const isPaid = isActive && !FREE_MODES.includes(enrollment.mode)
  const isLeft = !gave && !order.hadBefore
  if (isLeft && (!isActive || modeBefore === null || modeBefore === mode)) return leave()
  if (isPaid && !order.paid) {
    return keep(
      `enrolled in the paid mode ${enrollment.mode}, and the order does not include paid modes`,
      enrollment.mode,
    )
  }
  await order.onTaking()
  if (isLeft && modeBefore !== null) return putBack(order, read.value.key ?? order.course, modeBefore)
  const failure = await takeOut(order, read.value.key ?? order.course, { isActive, isAllowed })
  if (failure !== null) return { ok: false, failure }
  return (await verify(order)) ?? succeeded({ kind: isActive ? 'unenrolled' : 'disallowed', mode, why: '', ...moved })
}

/** Leaves the course to another sale. */
const leaveTo = (keptBy: string): Judged<CourseWithdrawal> =>
  succeeded({ kind: 'nothing', mode: null, why: `delivery ${keptBy} keeps it`, keptBy })

const HAD_BEFORE = 'the buyer had it before the sale, and keeps it'

/** Leaves what the person had before the sale. */
const leave = (): Judged<CourseWithdrawal> => succeeded({ kind: 'had_before', mode: null, why: HAD_BEFORE })

/** Changes an enrollment that was there before the sale back to the mode that it had then. */
async function putBack(
  { lms, acquire, account }: CourseOrder,
  course: string,
  mode: string,
): Promise<Judged<CourseWithdrawal>> {
  if (!('username' in account)) return leave()
  const changed = await lms.changeMode(await acquire(), { username: account.username, course, mode })
  return changed.ok ? succeeded({ kind: 'had_before', mode, why: `${HAD_BEFORE} in the mode ${mode}` }) : changed
}

const USED = 'an account with this address used the allowance, and has another address now; find it in the LMS'

const REPLACED =
  'the account that had the course no longer exists in the LMS, and the account that has the address now was left alone'

const keep = (why: string, mode: string | null = null): Judged<CourseWithdrawal> =>
  succeeded({ kind: 'kept', mode, why })

/** Why nothing can be withdrawn whatever the LMS has in the course; null if nothing speaks against it. */
function reasonToKeep({ account, isTaken, isGone, wasEnrolled }: CourseOrder): string | null {
  if (isTaken && account.status === 'unknown') return REPLACED
  if (account.status === 'other_account') {
    return `the LMS matches the address to an account with another address, ${account.address}`
  }
  if (account.status === 'unknown' && wasEnrolled && !isGone) {
    return 'no account has this address any more; find the account in the LMS, and unenroll it there'
  }
  return null
}

/** Makes the calls, by the user name of the account, whatever address it has by now; null if they succeeded. */
async function takeOut(
  { lms, acquire, account, email }: CourseOrder,
  course: string,
  { isActive, isAllowed }: { isActive: boolean; isAllowed: boolean },
): Promise<Failure | null> {
  if (isActive && 'username' in account) {
    const unenrolled = await lms.unenroll(await acquire(), { username: account.username, course })
    if (!unenrolled.ok) return unenrolled.failure
  }
  if (!isAllowed) return null
  const deleted = await lms.disallow(await acquire(), { email, course })
  return deleted.ok ? null : deleted.failure
}

/**
 * Reads everything again, the account too: who activated one meanwhile is enrolled, and lost only the allowance. null if the
 * person is out of the course.
 */
async function verify(order: CourseOrder): Promise<Failed | null> {
  const account = await order.lms.account(order.email)
  if (!account.ok) return account
  const allowances = await order.lms.allowances(await order.acquire(), { email: order.email })
  if (!allowances.ok) return allowances
  const there = { email: order.email, account: account.value, allowances: allowances.value }
  const buyer = await findBuyer({ ...order, ...there })
  if (!buyer.ok) return buyer
  const read = await readInCourse({ ...order, ...buyer.value })
  if (!read.ok) return read
  const { enrollment, allowance } = read.value
  const isAllowed = allowance !== null && mayStillEnroll(allowance)
  return enrollment?.active || isAllowed ? STILL_THERE : null
}

/**
 * Deletes all unused allowances that the LMS has for an address, including those that others made. Enrollments stay:
 * they belong to an account, which the LMS retires itself. Resolves to how many were deleted. Safe to repeat.
 * @throws what `acquire` rejects with
 */
export async function withdrawAllowances({
  email,
  lms,
  acquire,
}: CallContext & { email: string }): Promise<Judged<number>> {
  const listed = await lms.allowances(await acquire(), { email })
  if (!listed.ok) return listed
  let deleted = 0
  for (const { course } of listed.value.filter(isUnused)) {
    const gone = await lms.disallow(await acquire(), { email, course })
    if (!gone.ok) return gone
    if (gone.value) deleted++
  }
  return succeeded(deleted)
}
