import { type Account, isThere, type KnownAccount } from '../lms/apis/accounts.ts'
import { FREE_MODES } from '../lms/apis/course-modes.ts'
import type { Enrollment } from '../lms/apis/enrollment.ts'
import { allowanceFor, enrollsOnActivation, userOfAllowance } from '../lms/apis/enrollment-allowed.ts'
import { type Judged, succeeded } from '../lms/client/failure.ts'
import { changeMode, HAD, modeMissing } from './course-mode.ts'
import { leavesUnenrolled, type NextCall, type Pair } from './pair.ts'
import { byAccount, done, failed, inDoubt, isRefusedByLms, MAY_LAND, type PairResult, refused } from './work.ts'

/**
 * Enrolls one person in one course through the single APIs: if bulk_enroll is off, for an address that it can't take,
 * for a person who registered and has not activated (bulk_enroll makes only an allowance for them), and after an
 * `error` from it.
 *
 * Where it leaves who was unenrolled (see leavesUnenrolled), it never re-enrolls anybody. An inactive enrollment, or an allowance that
 * was used by an account that no longer has this address, gives the reason person.unenrolled, and nothing is sent. Two
 * cases look the same as an attempt that never took effect, and enroll the person again: an allowance that was made and
 * deleted before it was used, and an account that was deleted with its enrollments and registered again.
 *
 * A failure has `mayHaveTakenEffect` if this call, or one before it, may have changed something.
 * @throws what `acquire` rejects with
 */
export async function enrollSingly(pair: Pair): Promise<PairResult> {
  const result = await enrollAs(pair)
  return pair.prior === 'unasked' || pair.prior === 'not_sold_anew' ? result : inDoubt(result)
}

async function enrollAs(pair: Pair): Promise<PairResult> {
  const { prior } = pair
  const account = await pair.lms.account(pair.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  const known = await knownBuyer(pair)
  if (!known.ok) return failed(known.failure)
  const left = known.value === null || isThere(person, known.value) ? null : await stillEnrolled(pair, known.value)
  if (left !== null) return left
  switch (person.status) {
    case 'retired':
      return refuse(person)
    case 'other_account':
      return prior === 'allowed_by_bulk' ? disallowAnd(refuse(person), pair) : refuse(person)
    case 'unknown':
      // A batch that found an account found a stranger's, or one that has another address now.
      return allow(prior === 'allowed_by_bulk' ? { ...pair, prior: 'effect_unknown' } : pair)
    case 'active':
    case 'inactive':
      return enrollRegistered(pair, person)
  }
}

/** The account that the sale gave the course to before: as it is stored, or whoever has used the allowance. */
async function knownBuyer(pair: Pair): Promise<Judged<KnownAccount | null>> {
  const { lms, acquire, email, course, stored, claimed, wasDone } = pair
  if ((stored !== null && !claimed) || !wasDone) return succeeded(stored)
  const listed = await lms.allowances(await acquire(), { email })
  return listed.ok ? succeeded(userOfAllowance(listed.value, course) ?? stored) : listed
}

/**
 * The result for a sale that comes again for an address that its buyer has left: the buyer is still in the course, so nobody
 * else gets it. null if the buyer is not: the sale then goes to the address, like every sale. While a call that has named the
 * buyer may still be carried out, that is not known yet.
 */
async function stillEnrolled(pair: Pair, known: KnownAccount): Promise<PairResult | null> {
  const mayLand = pair.named && (await pair.mayLand()) // before the look, which proves nothing until then
  return (await foundEnrolled(pair, known)) ?? (mayLand ? failed(MAY_LAND) : null)
}

/** The same by what the LMS has now. */
async function foundEnrolled(pair: Pair, known: KnownAccount): Promise<PairResult | null> {
  const { lms, acquire, course } = pair
  const account = await lms.accountById(known)
  if (!account.ok) return failed(account.failure)
  if (account.value.status !== 'registered') return null
  const { username } = account.value
  const row = await lms.enrollment(await acquire(), { username, course })
  if (!row.ok) return failed(row.failure)
  return row.value?.active ? byAccount(account.value, await keepEnrolled(pair, username, row.value)) : null
}

/** Gives who is enrolled the mode of the setting, unless the sale had given the course before. */
function keepEnrolled(pair: Pair, username: string, row: Enrollment): PairResult | Promise<PairResult> {
  const { mode, wasDone, lacksMode = false } = pair
  const wasGiven = wasDone && isGiven(pair) && !lacksMode
  const mayChange = mode !== null && (!wasGiven || FREE_MODES.includes(mode))
  return mayChange ? changeMode({ ...pair, username, mode }, row) : done('enrolled', HAD)
}

/** Whether the sale gave the course to an account before. */
const isGiven = ({ stored, named }: Pick<Pair, 'stored' | 'named'>): boolean => stored !== null && !named

async function enrollRegistered(pair: Pair, person: RegisteredAccount): Promise<PairResult> {
  const enrolled = byAccount(person, await enrollAccount(pair, person))
  if (person.status === 'active' || enrolled.kind === 'failure') return enrolled
  if (isRefusedByLms(enrolled)) {
    const allowed = await isOpenlyAllowed(pair)
    if (!allowed.ok) return failed(allowed.failure)
    return allowed.value ? done('allowed', HAD) : enrolled
  }
  return disallowAnd(enrolled, pair)
}

/**
 * Deletes the allowance of bulk_enroll, of an earlier sale or of a call just now, used or not. It would enroll this or
 * another person on activation, even after a refund (the LMS's source: CourseEnrollmentAllowed.for_user).
 */
async function disallowAnd(result: PairResult, pair: Pair): Promise<PairResult> {
  const deleted = await pair.lms.disallow(await pair.acquire(), pair)
  return deleted.ok ? result : inDoubt(failed(deleted.failure))
}

/** The account of a person, activated or not. */
type RegisteredAccount = Extract<Account, { username: string }>

/**
 * Enrolls a person who has an account, activated or not. It reads the enrollment first: a call that names a mode would
 * downgrade an active verified enrollment (recorded: modes-and-inactive.json, 'active in verified, enrolled singly with
 * mode honor'). It activates an inactive enrollment, or leaves that alone (see leavesUnenrolled) and gives the reason
 * person.unenrolled.
 *
 * With a mode of the setting, it enrolls in that mode, or changes an active free mode to it. The shop may send a sale again
 * without being paid again, so one that was done, and gave the course to an account, changes nobody to a paid mode. If the
 * course lacks the mode, the person is enrolled all the same, with the reason course.mode_missing.
 */
async function enrollAccount(pair: Pair, { id, username }: RegisteredAccount): Promise<PairResult> {
  const { lms, acquire, course, mode, prior } = pair
  const read = await lms.enrollment(await acquire(), { username, course })
  if (!read.ok) return failed(read.failure)
  const row = read.value
  if (row?.active) return keepEnrolled(pair, username, row)
  if (row !== null && leavesUnenrolled(prior)) return refused({ code: 'person.unenrolled', subject: course })
  const enrolling = { ...pair, username, call: { names: { account: { id, username }, course } } }
  if (mode !== null && mayName(pair, mode, row)) {
    const named = await enrollInMode({ ...enrolling, mode, isFirst: row === null })
    if (named.ok) return done('enrolled')
    if (named.failure.kind !== 'refused' || !isAboutMode(named.failure.message, mode)) return failed(named.failure)
  }
  const enrolled = await enrollInDefaultMode(enrolling, row)
  const isMissing = mode !== null && !(row?.courseModes.includes(mode) ?? false)
  return enrolled.kind === 'done' && isMissing ? modeMissing(course) : enrolled
}

/** A call that enrolls an account, and what is stored before it. */
interface Enrolling extends Pick<Pair, 'lms' | 'acquire' | 'course'> {
  readonly username: string
  readonly call: NextCall
}

/**
 * Whether to ask for the mode: unless the course lacks it, or the person lost it after this sale gave the course. It isn't
 * given back for free.
 */
function mayName(pair: Pick<Pair, 'stored' | 'named'>, mode: string, row: Enrollment | null): boolean {
  if (row === null) return true
  const isLost = row.mode === mode && !FREE_MODES.includes(mode)
  return row.courseModes.includes(mode) && (!isLost || !isGiven(pair))
}

/**
 * A person's first enrollment is made with force only after the LMS has refused it without, for another reason than the
 * mode: with force, it gives out a mode whose sale has ended, and without, it checks the mode before it checks whether the
 * course is closed (recorded: lms-newer/paid-modes.json, 'verified whose sale has ended, named'). Of an earlier enrollment,
 * the modes that are on sale were read with it.
 */
async function enrollInMode({
  lms,
  acquire,
  call,
  isFirst,
  username,
  course,
  mode,
}: Enrolling & { readonly mode: string; readonly isFirst: boolean }): Promise<Judged<unknown>> {
  const named = { username, course, mode }
  if (isFirst) {
    const open = await lms.enroll(await acquire(call), { ...named, force: false })
    const isRefused = !open.ok && open.failure.kind === 'refused'
    if (!isRefused || isAboutMode(open.failure.message, mode)) return open
  }
  return lms.enroll(await acquire(call), named)
}

/** Recorded: lms-newer/paid-modes.json, 'verified only, audit named'. */
const isAboutMode = (message: string, mode: string): boolean => message.includes(`[${mode}] course mode is expired`)

async function enrollInDefaultMode(
  { lms, acquire, call, username, course }: Enrolling,
  row: Enrollment | null,
): Promise<PairResult> {
  const { mode, lost } = modeFor(row)
  const enrolled = await lms.enroll(await acquire(call), { username, course, mode })
  if (enrolled.ok) return done('enrolled')
  if (lost === null || enrolled.failure.kind !== 'refused') return failed(enrolled.failure)
  const why = `the person was unenrolled from [${lost}], and a paid mode is not given back for free`
  return refused({ code: 'lms.refused', subject: `${enrolled.failure.message} (${why})` })
}

/**
 * The course mode to name, or null to let the LMS choose. If the call names none, an inactive enrollment comes back in
 * its old mode (recorded: modes-and-inactive.json, 'unenrolled from verified, enrolled singly without a mode'). So a
 * paid one gets a free mode, or `audit` if the course offers none: the LMS then refuses (recorded:
 * lms-newer/paid-modes.json, 'verified only, audit named'). In that case, `lost` is the paid mode.
 */
function modeFor(row: Enrollment | null): { mode: string | null; lost: string | null } {
  if (row === null) return { mode: null, lost: null }
  const free = FREE_MODES.find((mode) => row.courseModes.includes(mode))
  if (free !== undefined) return { mode: free, lost: null }
  return FREE_MODES.includes(row.mode) ? { mode: null, lost: null } : { mode: 'audit', lost: row.mode }
}

/** Whether the person has an allowance that will enroll them in this course on activation. */
async function isOpenlyAllowed({ lms, acquire, email, course }: Pair): Promise<Judged<boolean>> {
  const listed = await lms.allowances(await acquire(), { email })
  return listed.ok ? succeeded(listed.value.some((one) => one.course === course && enrollsOnActivation(one))) : listed
}

/**
 * Makes an allowance for an address that had no account just now. If there is one already, this function checks it,
 * since the LMS answers 409 for any allowance:
 * - one without auto_enroll, which it doesn't upgrade (recorded: enrollment-allowed.json, 'allow again with auto_enroll
 *   true: not upgraded')
 * - one that another account has used
 * - one for the course's key in another letter case
 * - one for another person, whose address the database takes for this one
 * It deletes all but the last kind and makes them again.
 *
 * Where it leaves who was unenrolled, it reads before it makes an allowance, and leaves a used one alone. An earlier attempt may
 * have made that, and the account that used it now has another address, so nobody can tell whether the person was
 * unenrolled.
 */
async function allow(pair: Pair): Promise<PairResult> {
  const { lms, acquire, email, course, prior } = pair
  const made = prior === 'unasked' ? await makeAllowance(pair) : null
  if (made !== null) return made
  const listed = await lms.allowances(await acquire(), { email })
  if (!listed.ok) return failed(listed.failure)
  const found = allowanceFor(listed.value, course)
  if (found !== undefined) {
    if (found.other !== null) return refused({ code: 'person.other_account', subject: found.other })
    if (found.course === course && enrollsOnActivation(found)) return done('allowed', HAD)
    if (found.used && leavesUnenrolled(prior)) return refused({ code: 'person.unenrolled', subject: course })
    const deleted = await lms.disallow(await acquire({ undoes: true }), { email, course })
    if (!deleted.ok) return failed(deleted.failure)
  }
  return inDoubt((await makeAllowance(pair)) ?? (await settleAllowance(pair)))
}

/**
 * Makes the allowance, unless the LMS has lost the course: the LMS would accept it, and its buyer couldn't activate an
 * account (recorded: lms-newer/paid-modes.json, 'SURPRISE: activation with a dangling allowance …'). The course is looked
 * up after the wait for the permit, which can be long. null if there is an allowance already.
 */
async function makeAllowance(pair: Pair): Promise<PairResult | null> {
  const { lms, acquire, email, course } = pair
  const permit = await acquire()
  const found = await lms.course(course)
  if (!found.ok || found.value === null) {
    permit.release()
    return found.ok ? refused({ code: 'course.missing', subject: course }) : failed(found.failure)
  }
  const made = await lms.allow(permit, { email, course })
  if (!made.ok) return failed(made.failure)
  return made.value === 'created' ? inDoubt(await settleAllowance(pair)) : null
}

/**
 * Looks up the account again after making an allowance. An allowance enrolls only on activation (recorded:
 * registration.json), so it does nothing for a person who activated an account since the first look-up. That person is
 * enrolled, and the allowance is deleted, since it would enroll them again after they left.
 */
async function settleAllowance(pair: Pair): Promise<PairResult> {
  const account = await pair.lms.account(pair.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  if (person.status === 'unknown' || person.status === 'inactive') return done('allowed')
  const result = 'username' in person ? byAccount(person, await enrollAccount(pair, person)) : refuse(person)
  return result.kind === 'failure' ? result : disallowAnd(result, pair)
}

/**
 * The reason for an address whose account is retired, or that belongs to another account. Nobody is enrolled for it.
 */
const refuse = (person: Extract<Account, { status: 'retired' | 'other_account' }>): PairResult =>
  person.status === 'retired'
    ? refused({ code: 'person.retired', subject: '' })
    : refused({ code: 'person.other_account', subject: person.address })
