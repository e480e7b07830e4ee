import type { Account } from '../openedx/accounts.ts'
import type { Enrollment } from '../openedx/enrollment.ts'
import { enrollsOnActivation } from '../openedx/enrollment-allowed.ts'
import { type Judged, succeeded } from '../openedx/failure.ts'
import type { Pair, PriorKnowledge } from './pair.ts'
import { done, failed, type PairResult, refused } from './work.ts'

/** The account of a person, activated or not. */
export type RegisteredAccount = Extract<Account, { username: string }>

/** The free course modes, in the LMS's own order of preference. */
const FREE_MODES = ['audit', 'honor']

/**
 * Enrolls a person who has an account, activated or not. It reads the enrollment first: a call that names a mode would
 * downgrade an active verified enrollment (recorded: modes-and-inactive.json, 'active in verified, enrolled singly with
 * mode honor'). It activates an inactive enrollment. With `effect_unknown`, it leaves that alone and gives the reason
 * person.unenrolled.
 */
export async function enrollAccount(
  { lms, acquire, course }: Pair,
  { username }: RegisteredAccount,
  prior: PriorKnowledge,
): Promise<PairResult> {
  const read = await lms.enrollment(await acquire(), { username, course })
  if (!read.ok) return failed(read.failure)
  const row = read.value
  if (row?.active) return done('enrolled')
  if (row !== null && prior === 'effect_unknown') return refused({ code: 'person.unenrolled', subject: course })
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
