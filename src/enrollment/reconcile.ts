import type { CourseResult } from '../deliveries/types.ts'
import type { Account } from '../openedx/accounts.ts'
import { bulkCanName } from '../openedx/bulk-enroll.ts'
import type { Failure } from '../openedx/failure.ts'
import { type CallContext, enrollSingly } from './enroll-singly.ts'

/** What was reported as done for one person. */
export interface Reported {
  readonly deliveryId: string
  readonly email: string
  readonly courses: Readonly<Record<string, CourseResult>>
}

/**
 * How it stands in the LMS now. `unenrolled`: the row is there and inactive, so somebody unenrolled the person, and
 * that is left alone. `missing`: an account, and no row at all. `allowance_missing`: no enrollment yet, and no
 * allowance that would make one. `account_gone`: was enrolled, and no account has the address any more; `retired`: the
 * account was deleted at the person's wish. `unclear`: the LMS can't tell, as it lists 100 enrollments of a person.
 */
export const STANDINGS = [
  'stands',
  'unenrolled',
  'missing',
  'allowance_missing',
  'account_gone',
  'retired',
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
 * Asks the LMS whether what was reported as done for a person still stands; changes nothing. The enrollments first;
 * only where a course is not among them the account and the allowances.
 */
export async function checkReported({
  lms,
  acquire,
  reported,
}: CallContext & { reported: Reported }): Promise<Checked> {
  const { email } = reported
  if (!bulkCanName(email)) return { findings: findingsOf(reported, () => 'unclear') } // the LMS would read two addresses
  const listed = await lms.enrollments(await acquire(), { email })
  if (!listed.ok) return { failure: listed.failure }
  const { rows, whole } = listed.value
  const rowOf = new Map(rows.map((row) => [row.course, row]))
  const courses = Object.keys(reported.courses)
  const rest = courses.every((course) => rowOf.has(course)) ? null : await readRest({ lms, acquire, email })
  if (rest !== null && 'failure' in rest) return rest
  const standingOf = (course: string, result: CourseResult): Standing => {
    const row = rowOf.get(course)
    if (row !== undefined) return row.active ? 'stands' : 'unenrolled'
    return whole && rest !== null ? standingWithoutRow(rest, course, result) : 'unclear'
  }
  return { findings: findingsOf(reported, standingOf) }
}

function findingsOf(
  { deliveryId, email, courses }: Reported,
  standingOf: (course: string, result: CourseResult) => Standing,
): Finding[] {
  return Object.entries(courses).map(([course, reported]) => {
    return { deliveryId, email, course, reported, standing: standingOf(course, reported) }
  })
}

/** What decides about a course that the person has no enrollment in: the account, and the courses allowed to them. */
interface Rest {
  readonly account: Account['status']
  readonly allowed: ReadonlySet<string>
}

function standingWithoutRow({ account, allowed }: Rest, course: string, reported: CourseResult): Standing {
  if (account === 'retired') return 'retired'
  if (account === 'active') return 'missing'
  if (allowed.has(course)) return 'stands'
  if (reported === 'allowed') return 'allowance_missing'
  return account === 'inactive' ? 'missing' : 'account_gone'
}

async function readRest({
  lms,
  acquire,
  email,
}: CallContext & { email: string }): Promise<Rest | { readonly failure: Failure }> {
  const found = await lms.account(email)
  if (!found.ok) return { failure: found.failure }
  const account = found.value.status
  if (account === 'active' || account === 'retired') return { account, allowed: new Set() }
  const allowances = await lms.allowances(await acquire(), { email })
  if (!allowances.ok) return { failure: allowances.failure }
  const allowed = new Set(allowances.value.filter(({ autoEnroll }) => autoEnroll).map(({ course }) => course))
  return { account, allowed }
}

/**
 * Whether it is right to enroll again without asking: where the LMS has no row. An allowance may have been deleted on
 * purpose, and only somebody who names the person knows.
 */
export function isRepairable({ standing, email }: Finding, { named }: { named: ReadonlySet<string> }): boolean {
  return standing === 'missing' || (standing === 'allowance_missing' && named.has(email.toLowerCase()))
}

/** Enrolls the person in this course alone. Gives what came of it in words, and whether it is done. */
export async function repair({
  finding: { email, course },
  ...context
}: CallContext & { finding: Finding }): Promise<{ readonly done: boolean; readonly words: string }> {
  const result = await enrollSingly({ ...context, email, course, standing: 'unasked' })
  if (result.kind === 'done') return { done: true, words: `${result.result} in ${course}` }
  const why =
    result.kind === 'failure' ? result.failure.message : `${result.reason.code} ${result.reason.subject}`.trim()
  return { done: false, words: `${course}: ${why}` }
}
