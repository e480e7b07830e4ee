import type { Account } from '../../lms/apis/accounts.ts'
import type { Allowance } from '../../lms/apis/enrollment-allowed.ts'
import { type Judged, succeeded } from '../../lms/client/failure.ts'
import type { CallContext } from '../pair.ts'

/** What the LMS has for a person in one course. */
export interface InCourse {
  /** The course as the LMS spells it; null if the LMS has no such course. */
  readonly key: string | null
  /** The person's enrollment; null if there is none. `since`: when the person was first enrolled, in ms since 1970. */
  readonly enrollment: { readonly active: boolean; readonly mode: string; readonly since: number } | null
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
  // The LMS's database ignores the letter case of a key, even if its courses don't.
  const named = (key ?? course).toLowerCase()
  const allowance = allowances.find((one) => one.course.toLowerCase() === named) ?? null
  if (key === null || !('username' in account)) return succeeded({ key, enrollment: null, allowance })
  const read = await lms.enrollment(await acquire(), { username: account.username, course: key })
  if (!read.ok) return read
  const row = read.value
  const enrollment = row === null ? null : { active: row.active, mode: row.mode, since: row.created }
  return succeeded({ key, enrollment, allowance })
}
