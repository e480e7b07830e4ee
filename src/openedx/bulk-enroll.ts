import { z } from 'zod'
import { type Answer, jsonOf, judgeOther, notUnderstood, readAs } from './answer.ts'
import { failed, type Judged, succeeded } from './failure.ts'
import { jsonBody, type LmsRequest } from './transport.ts'

/** No slash at the end: with one, the LMS has no such page (recorded: bulk-enroll.json, 'trailing slash'). */
const ENDPOINT = '/api/bulk_enroll/v1/bulk_enroll'

/**
 * What the LMS has for one person in one course after the call:
 * - `inactive`: the person registered and has not activated, so the call made only an allowance.
 * - `enrolled_and_allowed`: both. Either the person activated long ago, or the person has not activated, was enrolled
 *   singly, and now also got an allowance (recorded: sequence.json, '132').
 * - `allowed_before`: there was an allowance before the call. An account that now has another address may have used it;
 *   the answer doesn't say.
 * - `inactive_not_allowed`: the person registered and has not activated, and another account has used the course's
 *   allowance for the address.
 * - `retired`: neither enrolled nor allowed.
 * - `invalid`: not an address for the LMS.
 */
export type PersonResult =
  | 'enrolled'
  | 'enrolled_and_allowed'
  | 'allowed'
  | 'allowed_before'
  | 'inactive'
  | 'inactive_not_allowed'
  | 'retired'
  | 'invalid'
  | 'error'

export interface BulkAnswer {
  /** false if any result is `error`: the LMS may then have rolled back the whole call. */
  readonly proof: boolean
  /** By course key, then by address, each spelled as in the call. */
  readonly results: ReadonlyMap<string, ReadonlyMap<string, PersonResult>>
}

export interface BulkCall {
  readonly courses: readonly string[]
  readonly emails: readonly string[]
}

const person = z.union([
  z.object({ identifier: z.string(), error: z.literal(true) }),
  z.object({ identifier: z.string(), invalidIdentifier: z.literal(true) }),
  z.object({
    identifier: z.string(),
    before: z.object({ allowed: z.boolean() }),
    after: z.object({ user: z.boolean(), enrollment: z.boolean(), allowed: z.boolean(), auto_enroll: z.boolean() }),
  }),
])
const bulk = z.object({
  courses: z.record(
    z.string(),
    z.object({ action: z.literal('enroll'), auto_enroll: z.literal(true), results: z.array(person) }),
  ),
})

/**
 * Whether an address may be sent to bulk_enroll. It splits its list at commas and white space, so it would enroll an
 * address inside a quoted one instead (recorded: bulk-enroll.json, 'non-ASCII and quoted addresses'). It takes a text
 * without `@` for a username. For josé@ it enrolls jose@, and names josé@ in its answer (recorded there), so an address
 * that isn't plain ASCII may not be sent either.
 */
export function bulkCanName(email: string): boolean {
  return email.includes('@') && /^[!-~]+$/.test(email) && !/[,"]/.test(email)
}

/** Needs no authorization, so it doesn't count against the throttle. */
export function bulkAvailableRequest(): LmsRequest {
  return { method: 'GET', endpoint: ENDPOINT, path: ENDPOINT, body: null }
}

/**
 * Whether the LMS has FEATURES['ENABLE_BULK_ENROLLMENT_VIEW'] on: it asks for authorization, or has no such page
 * (recorded: bulk-enroll.json, 'GET, no authorization'; bulk-enroll-off.json, 'GET, when the flag is off, …').
 */
export function judgeBulkAvailable(answer: Answer): Judged<boolean> {
  if (answer.status === 401) return succeeded(true)
  if (answer.status === 404 && jsonOf(answer) === undefined) return succeeded(false)
  return judgeOther(answer, ENDPOINT)
}

/**
 * Enrolls every person in every course. With auto_enroll, people without an account get an allowance, or their
 * allowance is repaired. The identifiers are sorted: two calls at once that name the same people in another order
 * deadlock in the LMS.
 * @throws Error for an address that bulkCanName rejects
 */
export function bulkEnrollRequest(call: BulkCall): LmsRequest {
  if (!call.emails.every(bulkCanName)) throw new Error('bulk_enroll would split this address: enroll it singly')
  const body = {
    action: 'enroll',
    auto_enroll: true,
    email_students: false,
    courses: call.courses.join(','),
    identifiers: sorted(call.emails).join(','),
  }
  return { method: 'POST', endpoint: ENDPOINT, path: ENDPOINT, body: jsonBody(body) }
}

/** By lowercase address, since the LMS locks its rows regardless of letter case. */
function sorted(emails: readonly string[]): string[] {
  const byName = [...new Set(emails)].map((email) => ({ email, name: email.toLowerCase() }))
  return byName.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).map(({ email }) => email)
}

/** If the answer leaves out a person or course of the call, the whole answer counts as not understood. */
export function judgeBulkEnroll(answer: Answer, call: BulkCall): Judged<BulkAnswer> {
  if (answer.status === 400) return judgeRefusal(answer)
  if (answer.status !== 200) return judgeOther(answer, ENDPOINT)
  const read = readAs(answer, ENDPOINT, bulk)
  if (!read.ok) return read

  const asked = new Set(call.emails)
  const answered = new Map(Object.entries(read.value.courses))
  const results = new Map<string, ReadonlyMap<string, PersonResult>>()
  let proof = true
  for (const course of call.courses) {
    const rows = answered.get(course)?.results ?? []
    const people = peopleIn(rows, asked)
    if (people === null) return notUnderstood(answer, ENDPOINT)
    results.set(course, people)
    if (rows.some((row) => 'error' in row)) proof = false
  }
  return succeeded({ proof, results })
}

type Row = z.infer<typeof person>

/**
 * The result of each person in the call; null if one is missing, or if any result is of a kind that was never recorded.
 */
function peopleIn(rows: readonly Row[], asked: ReadonlySet<string>): Map<string, PersonResult> | null {
  const people = new Map<string, PersonResult>()
  for (const row of rows) {
    const result = personResult(row)
    if (result === null) return null
    if (asked.has(row.identifier)) people.set(row.identifier, result)
  }
  return people.size === asked.size ? people : null
}

function personResult(row: Row): PersonResult | null {
  if ('error' in row) return 'error'
  if ('invalidIdentifier' in row) return 'invalid'
  const { user, enrollment, allowed, auto_enroll: autoEnroll } = row.after
  if (enrollment) return allowed && autoEnroll ? 'enrolled_and_allowed' : 'enrolled'
  if (!allowed) return user ? 'inactive_not_allowed' : 'retired'
  // The call requested auto_enroll. An allowance without it was never recorded as a result.
  if (!autoEnroll) return null
  if (user) return 'inactive'
  return row.before.allowed ? 'allowed_before' : 'allowed'
}

const badCourses = z.object({ courses: z.array(z.string()).min(1) })

/**
 * Recorded: bulk-enroll.json, 'malformed key'. Other complaints in a 400 are about our request, not about a course.
 * The message goes into the delivery of each person in the call, so an address in it would be shown to the others.
 */
function judgeRefusal(answer: Answer): Judged<never> {
  const read = readAs(answer, ENDPOINT, badCourses)
  if (!read.ok) return judgeOther(answer, ENDPOINT)
  const complaint = read.value.courses.join('; ')
  const message = complaint.includes('@')
    ? 'bulk_enroll refuses the course, in a message that names a person'
    : complaint
  return failed({ kind: 'refused', endpoint: ENDPOINT, status: answer.status, message })
}
