import type { CourseResult } from '../delivery/types.ts'
import { type EnrollmentRow, listCanName } from '../openedx/enrollment-list.ts'
import { type Failure, type Judged, succeeded } from '../openedx/failure.ts'
import { isOpen } from './enroll-known.ts'
import { enrollSingly } from './enroll-singly.ts'
import type { CallContext } from './pair.ts'

/** What was reported as done for one person. */
export interface Reported {
  readonly deliveryId: string
  readonly email: string
  readonly courses: Readonly<Record<string, CourseResult>>
}

/**
 * How it stands in the LMS now. `unenrolled`: the row is there and inactive, so somebody unenrolled the person, and
 * that is left alone. `missing`: was enrolled and has an account, and no row at all. `allowance_missing`: was allowed,
 * and there is no enrollment, and no allowance that would make one. `account_gone`: was enrolled, and no account has
 * the address any more; `retired`: the account was deleted at the person's wish. `other_account`: the LMS takes the
 * address for another account's. `unclear`: the LMS can't tell, as it lists 100 enrollments of a person.
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
 * Asks the LMS whether what was reported as done for a person still stands; changes nothing. The account first, which is
 * not throttled; then the enrollments of a person who has one, and the allowances of a person who has not activated.
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
  // An allowance enrolls on activation alone, so those of an active person mean nothing.
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
 * For a course that the person has no enrollment in. Without one, a person who was only allowed has never been enrolled,
 * registered or not: the allowance may have been deleted as the refund.
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

/** The courses that the person would be enrolled in on activation. */
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
 * Whether it is right to enroll again without asking: who was reported as enrolled, and of whom the LMS has no row. An
 * allowance may have been deleted on purpose, also before the person registered, and only somebody who names the person
 * knows.
 */
export function isRepairable({ standing, email }: Finding, { named }: { named: ReadonlySet<string> }): boolean {
  return standing === 'missing' || (standing === 'allowance_missing' && named.has(email.toLowerCase()))
}

/**
 * Enrolls the person in this course alone; who was unenrolled since the check stays so, unless somebody named them. Gives
 * what came of it in words, and whether it is done.
 */
export async function repair({
  finding: { email, course, standing: found },
  ...context
}: CallContext & { finding: Finding }): Promise<{ readonly done: boolean; readonly words: string }> {
  const standing = found === 'missing' ? 'effect_unknown' : 'unasked'
  const result = await enrollSingly({ ...context, email, course, standing })
  if (result.kind === 'done') return { done: true, words: `${result.result} in ${course}` }
  const why =
    result.kind === 'failure' ? result.failure.message : `${result.reason.code} ${result.reason.subject}`.trim()
  return { done: false, words: `${course}: ${why}` }
}
