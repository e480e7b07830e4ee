import type { CourseResult } from '../delivery/types.ts'
import { type EnrollmentRow, listCanName } from '../openedx/enrollment-list.ts'
import { type Failure, type Judged, succeeded } from '../openedx/failure.ts'
import type { ModeOf } from './course-mode.ts'
import { isOpen } from './enroll-account.ts'
import { enrollSingly } from './enroll-singly.ts'
import type { CallContext } from './pair.ts'

/** The results that were reported for one person. */
export interface Reported {
  readonly deliveryId: string
  readonly email: string
  readonly courses: Readonly<Record<string, CourseResult>>
}

/**
 * The person's standing in the course now:
 * - `stands`: there is an active enrollment, or an allowance that will make one.
 * - `unenrolled`: the row is inactive, so someone unenrolled the person. It is left alone.
 * - `missing`: reported as enrolled, and the person has an account, but no row.
 * - `allowance_missing`: reported as allowed, and there is neither an enrollment nor an allowance that would make one.
 * - `account_gone`: reported as enrolled, and no account has the address now.
 * - `retired`: the person had the account deleted.
 * - `other_account`: the LMS matches the address to another account.
 * - `unclear`: the LMS can't tell, since it lists only 100 enrollments of a person.
 */
export const STANDINGS = [
  'stands',
  'unenrolled',
  'missing',
  'allowance_missing',
  'account_gone',
  'retired',
  'other_account',
  'unclear',
] as const
export type Standing = (typeof STANDINGS)[number]

export interface Finding {
  readonly deliveryId: string
  readonly email: string
  readonly course: string
  readonly reported: CourseResult
  readonly standing: Standing
}

export type Checked = { readonly findings: readonly Finding[] } | { readonly failure: Failure }

/**
 * Asks the LMS whether the reported results for a person still stand. Changes nothing. Looks up the account first,
 * which isn't throttled, then the enrollments if there is an account, and the allowances if the person has not
 * activated.
 */
export async function checkReported({ reported, ...context }: CallContext & { reported: Reported }): Promise<Checked> {
  const { email, courses } = reported
  const all = (standing: Standing): Checked => ({ findings: findingsOf(reported, () => standing) })
  const found = await context.lms.account(email)
  if (!found.ok) return { failure: found.failure }
  const account = found.value.status
  if (account === 'retired' || account === 'other_account') return all(account)
  if (account !== 'unknown' && !listCanName(email)) return all('unclear')
  const listed = account === 'unknown' ? NO_ROWS : await context.lms.enrollments(await context.acquire(), { email })
  if (!listed.ok) return { failure: listed.failure }
  const { rows, whole } = listed.value
  const rowOf = new Map(rows.map((row) => [row.course, row]))
  const isListed = Object.keys(courses).every((course) => rowOf.has(course))
  // An allowance enrolls only on activation, so those of an active person mean nothing.
  const allowed = isListed || account === 'active' ? succeeded(NO_COURSES) : await readAllowed({ ...context, email })
  if (!allowed.ok) return { failure: allowed.failure }
  const standingOf = (course: string, result: CourseResult): Standing => {
    const row = rowOf.get(course)
    if (row !== undefined) return row.active ? 'stands' : 'unenrolled'
    return whole ? standingWithoutRow({ account, allowed: allowed.value }, course, result) : 'unclear'
  }
  return { findings: findingsOf(reported, standingOf) }
}

const NO_ROWS = succeeded({ rows: [] as readonly EnrollmentRow[], whole: true })
const NO_COURSES: ReadonlySet<string> = new Set()

function findingsOf(
  { deliveryId, email, courses }: Reported,
  standingOf: (course: string, result: CourseResult) => Standing,
): Finding[] {
  return Object.entries(courses).map(([course, reported]) => {
    return { deliveryId, email, course, reported, standing: standingOf(course, reported) }
  })
}

/**
 * The standing in a course in which the person has no enrollment. A person who was only allowed was then never
 * enrolled, registered or not: the allowance may have been deleted because of a refund.
 */
function standingWithoutRow(
  { account, allowed }: { account: 'active' | 'inactive' | 'unknown'; allowed: ReadonlySet<string> },
  course: string,
  reported: CourseResult,
): Standing {
  if (allowed.has(course)) return 'stands'
  if (reported === 'allowed') return 'allowance_missing'
  return account === 'unknown' ? 'account_gone' : 'missing'
}

/** The courses in which activation would enroll the person. */
async function readAllowed({
  lms,
  acquire,
  email,
}: CallContext & { email: string }): Promise<Judged<ReadonlySet<string>>> {
  const allowances = await lms.allowances(await acquire(), { email })
  if (!allowances.ok) return allowances
  return succeeded(new Set(allowances.value.filter(isOpen).map(({ course }) => course)))
}

/**
 * Whether a repair may enroll the person without asking. It may if the person was reported as enrolled and the LMS has
 * no row. A missing allowance may have been deleted on purpose, even before the person registered. Only the operator
 * knows, and names the person.
 */
export function isRepairable({ standing, email }: Finding, { named }: { named: ReadonlySet<string> }): boolean {
  return standing === 'missing' || (standing === 'allowance_missing' && named.has(email.toLowerCase()))
}

/**
 * Enrolls the person in this course only. A person who was unenrolled since the check stays unenrolled, unless the
 * operator named them. Gives whether it succeeded, and a description of the result.
 */
export async function repair({
  finding: { email, course, standing: found },
  modeOf = () => null,
  ...context
}: CallContext & { finding: Finding; modeOf?: ModeOf }): Promise<{ readonly done: boolean; readonly words: string }> {
  const prior = found === 'missing' ? 'effect_unknown' : 'unasked'
  const slug = modeOf(course)
  const mode = slug === null ? null : { slug, mayUpgrade: false, mayRestore: false }
  const result = await enrollSingly({ ...context, email, course, prior, mode })
  if (result.kind === 'done') return { done: true, words: `${result.result} in ${course}` }
  const why =
    result.kind === 'failure' ? result.failure.message : `${result.reason.code} ${result.reason.subject}`.trim()
  return { done: false, words: `${course}: ${why}` }
}
