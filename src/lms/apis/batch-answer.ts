import { z } from 'zod'
import { maskEmails } from '../../service/lib/sanitize.ts'
import { quoted } from '../client/failure.ts'

/** The people to enroll by a call of bulk_enroll or enrollments/modify, and what else the LMS does for them. */
export interface BatchCall {
  /** Each satisfies batchCanName. */
  readonly emails: readonly string[]
  /** Names the sale in the LMS's audit (ManualEnrollmentAudit). The learner never sees it. */
  readonly reason: string
  /** Whether the LMS sends its own mail to each of them. It does so again in each repeat of the call. */
  readonly emailStudents: boolean
}

/**
 * What the LMS has for one person in one course after a call:
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

export interface BatchAnswer {
  /** false if any result is `error`: the LMS may then have rolled back the whole call. */
  readonly proof: boolean
  /** What the LMS says about the people with `error`, by address as in the call. It says nothing up to Verawood. */
  readonly words: ReadonlyMap<string, string>
  /** By course key, then by address, each spelled as in the call. */
  readonly results: ReadonlyMap<string, ReadonlyMap<string, PersonResult>>
  /** By course key, the addresses of those who had what the result says before the call, so that the call gave it to none. */
  readonly had: ReadonlyMap<string, ReadonlySet<string>>
}

/** bulk_enroll writes `invalidIdentifier`, and modify `invalid_identifier`. */
const invalid = z
  .object({ identifier: z.string() })
  .and(z.union([z.object({ invalidIdentifier: z.literal(true) }), z.object({ invalid_identifier: z.literal(true) })]))
  .transform(({ identifier }) => ({ kind: 'invalid' as const, identifier }))

/**
 * A person for whom the LMS failed: `error: true`, as recorded. The views of its next releases also have `success: false`,
 * `error_type` and the words `error_message` (openedx/openedx-platform at 14f7dc8962fa, of 2026: process_single_student_-
 * enrollment of lms/djangoapps/instructor/utils.py, shown by TestInstructorAPIEnrollment of its tests/test_api.py), or
 * words in `error` itself (openedx/openedx-platform#38674).
 */
const error = z
  .object({
    identifier: z.string(),
    error: z.unknown().optional(),
    success: z.unknown().optional(),
    error_type: z.unknown().optional(),
    error_message: z.unknown().optional(),
  })
  .refine(({ error, success }) => success === false || Boolean(error))
  .transform(({ identifier, error, error_type, error_message }) => {
    const words = [error_message, error, error_type].find((one) => typeof one === 'string' && one !== '')
    return { kind: 'error' as const, identifier, words: typeof words === 'string' ? maskEmails(quoted(words)) : null }
  })

const states = z
  .object({
    identifier: z.string(),
    before: z.object({ enrollment: z.boolean(), allowed: z.boolean(), auto_enroll: z.boolean() }),
    after: z.object({ user: z.boolean(), enrollment: z.boolean(), allowed: z.boolean(), auto_enroll: z.boolean() }),
  })
  .transform((row) => ({ kind: 'states' as const, ...row }))

const person = z.union([invalid, error, states])
/** The people of one course, as both APIs answer. */
export const people = z.array(person)
type PersonRow = z.output<typeof person>

/** The longest address in a batch. modify refuses the whole call for a longer one (recorded: '256 characters'). */
const MAX_ADDRESS = 255

/**
 * Whether an address may be sent in a batch. bulk_enroll splits its list at commas and white space, so it would enroll
 * an address inside a quoted one instead (recorded: bulk-enroll.json, 'non-ASCII and quoted addresses'). Both APIs look
 * a text up as an address and as a user name (Open edX, student/models/user.py, `get_user_by_username_or_email`). One
 * without `@` is nobody's address; one with `@` can be a stranger's user name too, which the caller has to rule out. For
 * josé@ bulk_enroll enrolls jose@, and names josé@ in its answer (recorded there), so an address that isn't plain ASCII
 * may not be sent either.
 */
export function batchCanName(email: string): boolean {
  return email.includes('@') && /^[!-~]+$/.test(email) && !/[,"]/.test(email) && email.length <= MAX_ADDRESS
}

/**
 * The addresses of a call, each once, by lowercase address: two calls at once that name the same people in another
 * order deadlock in the LMS, which locks its rows regardless of letter case.
 * @throws Error for an address that batchCanName rejects
 */
export function identifiersOf({ emails }: { readonly emails: readonly string[] }): string[] {
  if (!emails.every(batchCanName)) throw new Error('a batch would name another person: enroll this address singly')
  const byName = [...new Set(emails)].map((email) => ({ email, name: email.toLowerCase() }))
  return byName.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).map(({ email }) => email)
}

/**
 * What an answer says about the people of a call, by the rows of each course; undefined if it leaves out one of them, or if
 * any result is of a kind that was never recorded.
 */
export function batchAnswer(
  { emails }: Pick<BatchCall, 'emails'>,
  rowsOf: ReadonlyMap<string, readonly PersonRow[]>,
): BatchAnswer | undefined {
  const asked = new Set(emails)
  const words = new Map<string, string>()
  const results = new Map<string, Map<string, PersonResult>>()
  const had = new Map<string, Set<string>>()
  let proof = true
  for (const [course, rows] of rowsOf) {
    const found = new Map<string, PersonResult>()
    had.set(course, new Set(rows.filter(hadBefore).map(({ identifier }) => identifier)))
    for (const row of rows) {
      const result = resultOf(row)
      if (result === null) return undefined
      if (row.kind === 'error') proof = false
      if (row.kind === 'error' && row.words !== null) words.set(row.identifier, row.words)
      if (asked.has(row.identifier)) found.set(row.identifier, result)
    }
    if (found.size < asked.size) return undefined
    results.set(course, found)
  }
  return { proof, words, results, had }
}

/**
 * Whether a person had before the call what they have after it: the enrollment, or without one an allowance that enrolls. The
 * call makes one that doesn't enroll such a one.
 */
function hadBefore(row: PersonRow): boolean {
  if (row.kind !== 'states') return false
  const { before, after } = row
  return after.enrollment ? before.enrollment : before.allowed && before.auto_enroll
}

function resultOf(row: PersonRow): PersonResult | null {
  if (row.kind !== 'states') return row.kind
  const { user, enrollment, allowed, auto_enroll: autoEnroll } = row.after
  if (enrollment) return allowed && autoEnroll ? 'enrolled_and_allowed' : 'enrolled'
  if (!allowed) return user ? 'inactive_not_allowed' : 'retired'
  // The call requested auto_enroll. An allowance without it was never recorded as a result.
  if (!autoEnroll) return null
  if (user) return 'inactive'
  return row.before.allowed ? 'allowed_before' : 'allowed'
}
