import type { Account } from '../../lms/apis/accounts.ts'
import { FREE_MODES } from '../../lms/apis/course-modes.ts'
import type { Enrollment } from '../../lms/apis/enrollment.ts'
import { type Allowance, allowanceFor, isUnused } from '../../lms/apis/enrollment-allowed.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Standing } from '../../sale/line.ts'
import type { CallContext } from '../pair.ts'
import { findBuyers, type GivenCourse } from './find-buyer.ts'

/** What the LMS has for a person in one course now. */
export interface LiveCourse {
  /** As it was asked for. */
  readonly course: string
  readonly standing: Standing
  /** The course mode; null without an enrollment. */
  readonly mode: string | null
  /** Whether it is an active enrollment in a mode that may have been paid for. */
  readonly isPaid: boolean
  /** When the person was first enrolled, in ms since 1970; null without an enrollment. */
  readonly since: number | null
  /** The account that the course was given to has another address by now. */
  readonly moved?: true
}

/** Reads what a withdrawal would find, before it is ordered. Changes nothing. */
export async function whatStands({
  email,
  courses,
  ...context
}: CallContext & {
  email: string
  courses: readonly GivenCourse[]
}): Promise<Judged<readonly LiveCourse[]>> {
  const buyers = await findBuyers({ ...context, email, courses })
  if (!buyers.ok) return buyers
  const found: LiveCourse[] = []
  for (const { of, buyer } of buyers.value) {
    const { course } = of
    const read = await readInCourse({ ...context, ...buyer, course })
    if (!read.ok) return read
    const { enrollment } = read.value
    const mode = enrollment?.mode ?? null
    found.push({
      course,
      standing: standingOf(buyer.account, read.value),
      mode,
      isPaid: enrollment?.active === true && !FREE_MODES.includes(enrollment.mode),
      since: enrollment?.created ?? null,
      ...(buyer.movedTo === null ? {} : { moved: true as const }),
    })
  }
  return succeeded(found)
}

function standingOf({ status }: Account, { enrollment, allowance }: InCourse): Standing {
  if (status === 'retired' || status === 'other_account') return status
  if (enrollment !== null) return enrollment.active ? 'enrolled' : 'unenrolled'
  const isAllowed = allowance !== null && isUnused(allowance)
  if (!isAllowed || status === 'active') return 'missing'
  return status === 'inactive' ? 'not_activated' : 'no_account'
}

/** What the LMS has for a person in one course. */
export interface InCourse {
  /** The course as the LMS spells it; null if the LMS has no such course. */
  readonly key: string | null
  /** The person's enrollment; null if there is none. */
  readonly enrollment: Enrollment | null
  /** The allowance for the address, used or not; null if there is none. */
  readonly allowance: Allowance | null
}

/**
 * Reads what the LMS has for an account in one course.
 * @param of.allowances all allowances of the address
 */
export async function readInCourse({
  lms,
  acquire,
  account,
  course,
  allowances,
}: CallContext & {
  account: Account
  course: string
  allowances: readonly Allowance[]
}): Promise<Judged<InCourse>> {
  const found = await lms.course(course)
  if (!found.ok) return found
  const key = found.value?.key ?? null
  const allowance = allowanceFor(allowances, key ?? course) ?? null
  if (key === null || !('username' in account)) return succeeded({ key, enrollment: null, allowance })
  const read = await lms.enrollment(await acquire(), { username: account.username, course: key })
  return read.ok ? succeeded({ key, enrollment: read.value, allowance }) : read
}
