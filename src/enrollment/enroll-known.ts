import type { Account } from '../openedx/accounts.ts'
import type { Enrollment } from '../openedx/enrollment.ts'
import type { Allowance } from '../openedx/enrollment-allowed.ts'
import { type Judged, succeeded } from '../openedx/failure.ts'
import type { Pair, Standing } from './pair.ts'
import { done, failed, type PairResult, refused } from './work.ts'

/** A person who has an account. */
export type Known = Extract<Account, { username: string }>

/** What costs nothing, in the order in which the LMS itself prefers them. */
const FREE_MODES = ['audit', 'honor']

/**
 * Enrolls a person who has an account, active or not. It reads first: with a mode named, an active verified enrollment
 * would be downgraded (recorded: modes-and-inactive.json, 'active in verified, enrolled singly with mode honor'). An
 * inactive one is activated, or with `effect_unknown` left alone, with the reason person.unenrolled.
 */
export async function enrollKnown(
  { lms, acquire, course }: Pair,
  { username }: Known,
  standing: Standing,
): Promise<PairResult> {
  const read = await lms.enrollment(await acquire(), { username, course })
  if (!read.ok) return failed(read.failure)
  const row = read.value
  if (row?.active) return done('enrolled')
  if (row !== null && standing === 'effect_unknown') return refused({ code: 'person.unenrolled', subject: course })
  const { mode, lost } = modeFor(row)
  const enrolled = await lms.enroll(await acquire(), { username, course, mode })
  if (enrolled.ok) return done('enrolled')
  if (lost === null || enrolled.failure.kind !== 'refused') return failed(enrolled.failure)
  const why = `the person was unenrolled from [${lost}], and a paid mode is not given back for free`
  return refused({ code: 'lms.refused', subject: `${enrolled.failure.message} (${why})` })
}

/**
 * The mode to name; null leaves it to the LMS. Where no mode is named, an inactive enrollment comes back in the mode
 * that it had (recorded: modes-and-inactive.json, 'unenrolled from verified, enrolled singly without a mode'), so one
 * that was paid for gets a free mode, `audit` where the course offers none: the LMS then refuses (recorded:
 * lms-newer/paid-modes.json, 'verified only, audit named'). `lost`: the paid mode in that case.
 */
function modeFor(row: Enrollment | null): { mode: string | null; lost: string | null } {
  if (row === null) return { mode: null, lost: null }
  const free = FREE_MODES.find((mode) => row.courseModes.includes(mode))
  if (free !== undefined) return { mode: free, lost: null }
  return FREE_MODES.includes(row.mode) ? { mode: null, lost: null } : { mode: 'audit', lost: row.mode }
}

/** Whether the person has an allowance for this course that will enroll them on activation. */
export async function isOpenlyAllowed({ lms, acquire, email, course }: Pair): Promise<Judged<boolean>> {
  const listed = await lms.allowances(await acquire(), { email })
  return listed.ok ? succeeded(listed.value.some((one) => one.course === course && isOpen(one))) : listed
}

/** Whether it enrolls the person who activates an account of this address. */
export const isOpen = ({ autoEnroll, used, other }: Allowance): boolean => autoEnroll && !used && other === null
