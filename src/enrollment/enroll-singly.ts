import type { Permit } from '../openedx/budget.ts'
import type { Failure } from '../openedx/failure.ts'
import type { Lms } from '../openedx/lms.ts'
import { done, failed, type PairResult, refused } from './work.ts'

/** What every call to the LMS needs. */
export interface CallContext {
  readonly lms: Lms
  /**
   * Waits for the right to make one throttled call. Rejects when the work has to stop: the service stops, or the
   * delivery is no longer ours to work on.
   */
  readonly acquire: () => Promise<Permit>
}

interface Pair extends CallContext {
  readonly email: string
  readonly course: string
}

/** How the address stands in the LMS before the call; what bulk_enroll left there, if it was asked before. */
export type Standing = 'unasked' | 'effect_unknown' | 'allowed_by_bulk' | 'enrolled_and_allowed'

/**
 * Enrolls one person in one course by the single APIs: where bulk_enroll is off, for an address that it can't take, for
 * a person who has registered but not activated (it makes only an allowance for them), and after an `error` in it.
 */
export async function enrollSingly({ standing: given, ...call }: Pair & { standing: Standing }): Promise<PairResult> {
  const standing = given === 'effect_unknown' ? 'unasked' : given
  const account = await call.lms.account(call.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  if (person.status === 'retired') return refused({ code: 'person.retired', subject: '' })
  if (person.status === 'unknown' && standing === 'unasked') return allow(call)
  if (person.status === 'unknown') return done(standing === 'allowed_by_bulk' ? 'allowed' : 'enrolled')
  if (standing !== 'enrolled_and_allowed') {
    const problem = await enrollKnown(call, person.username)
    if (problem?.kind === 'refused' && standing === 'allowed_by_bulk') return done('allowed')
    if (problem !== null) return failed(problem)
  }
  if (standing !== 'unasked' && person.status === 'inactive') {
    // The allowance would enroll them again on activation, also after a refund in between.
    const deleted = await call.lms.disallow(await call.acquire(), call)
    if (!deleted.ok) return failed(deleted.failure)
  }
  return done('enrolled')
}

/**
 * Reads first: with a mode named, an active verified enrollment would be downgraded; without one, somebody who was
 * unenrolled from verified comes back as verified for free (recorded: modes-and-inactive.json).
 */
async function enrollKnown({ lms, acquire, course }: Pair, username: string): Promise<Failure | null> {
  const existing = await lms.enrollment(await acquire(), { username, course })
  if (!existing.ok) return existing.failure
  if (existing.value?.active) return null
  const modes = existing.value?.courseModes ?? []
  const mode = ['audit', 'honor'].find((free) => modes.includes(free)) ?? null
  const enrolled = await lms.enroll(await acquire(), { username, course, mode })
  return enrolled.ok ? null : enrolled.failure
}

/** An allowance that stands with auto_enroll false is not upgraded by a POST: it is made anew. */
async function allow({ lms, acquire, email, course }: Pair): Promise<PairResult> {
  const made = await lms.allow(await acquire(), { email, course })
  if (!made.ok) return failed(made.failure)
  if (made.value === 'created') return done('allowed')
  const standing = await lms.allowances(await acquire(), { email })
  if (!standing.ok) return failed(standing.failure)
  if (standing.value.some((one) => one.course === course && one.autoEnroll)) return done('allowed')
  const deleted = await lms.disallow(await acquire(), { email, course })
  if (!deleted.ok) return failed(deleted.failure)
  const again = await lms.allow(await acquire(), { email, course })
  return again.ok ? done('allowed') : failed(again.failure)
}
