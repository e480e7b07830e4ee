import type { Account } from '../lms/apis/accounts.ts'
import type { Enrollment } from '../lms/apis/enrollment.ts'
import { enrollsOnActivation } from '../lms/apis/enrollment-allowed.ts'
import { type Judged, succeeded } from '../lms/client/failure.ts'
import { changeMode, FREE_MODES, modeMissing } from './course-mode.ts'
import type { Pair, PriorKnowledge, WantedMode } from './pair.ts'
import { done, failed, type PairResult, refused } from './work.ts'

/** The account of a person, activated or not. */
export type RegisteredAccount = Extract<Account, { username: string }>

/**
 * Enrolls a person who has an account, activated or not. It reads the enrollment first: a call that names a mode would
 * downgrade an active verified enrollment (recorded: modes-and-inactive.json, 'active in verified, enrolled singly with
 * mode honor'). It activates an inactive enrollment. With `effect_unknown`, it leaves that alone and gives the reason
 * person.unenrolled.
 *
 * With a mode of the setting, it enrolls in that mode, or changes an active free mode to it. If the course lacks it, the
 * person is enrolled all the same, with the reason course.mode_missing.
 */
export async function enrollAccount(pair: Pair, person: RegisteredAccount, prior: PriorKnowledge): Promise<PairResult> {
  const { lms, acquire, course, mode: wanted = null } = pair
  const { username } = person
  const read = await lms.enrollment(await acquire(), { username, course })
  if (!read.ok) return failed(read.failure)
  const row = read.value
  if (row?.active) {
    const mayChange = wanted !== null && (wanted.mayUpgrade || FREE_MODES.includes(wanted.slug))
    return mayChange ? changeMode({ ...pair, username, mode: wanted.slug }, row) : done('enrolled')
  }
  if (row !== null && prior === 'effect_unknown') return refused({ code: 'person.unenrolled', subject: course })
  if (wanted !== null && mayName(wanted, row)) {
    const mode = wanted.slug
    const named = await enrollInMode({ lms, acquire, course, username, mode, isFirst: row === null })
    if (named.ok) return done('enrolled')
    if (named.failure.kind !== 'refused' || !isAboutMode(named.failure.message, mode)) return failed(named.failure)
  }
  const enrolled = await enrollInDefaultMode(pair, username, row)
  const isMissing = wanted !== null && !(row?.courseModes.includes(wanted.slug) ?? false)
  return enrolled.kind === 'done' && isMissing ? modeMissing(course) : enrolled
}

/** Whether to ask for the mode: unless the course lacks it, or the person lost it and it isn't paid for again. */
function mayName({ slug, mayRestore }: WantedMode, row: Enrollment | null): boolean {
  if (row === null) return true
  const isLost = row.mode === slug && !FREE_MODES.includes(slug)
  return row.courseModes.includes(slug) && (mayRestore || !isLost)
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
  isFirst,
  ...named
}: Pick<Pair, 'lms' | 'acquire' | 'course'> & { username: string; mode: string; isFirst: boolean }) {
  if (isFirst) {
    const open = await lms.enroll(await acquire(), { ...named, force: false })
    const isRefused = !open.ok && open.failure.kind === 'refused'
    if (!isRefused || isAboutMode(open.failure.message, named.mode)) return open
  }
  return lms.enroll(await acquire(), named)
}

/** Recorded: lms-newer/paid-modes.json, 'verified only, audit named'. */
const isAboutMode = (message: string, mode: string): boolean => message.includes(`[${mode}] course mode is expired`)

async function enrollInDefaultMode(
  { lms, acquire, course }: Pair,
  username: string,
  row: Enrollment | null,
): Promise<PairResult> {
  const { mode, lost } = modeFor(row)
  const enrolled = await lms.enroll(await acquire(), { username, course, mode })
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
export async function isOpenlyAllowed({ lms, acquire, email, course }: Pair): Promise<Judged<boolean>> {
  const listed = await lms.allowances(await acquire(), { email })
  return listed.ok ? succeeded(listed.value.some((one) => one.course === course && enrollsOnActivation(one))) : listed
}
