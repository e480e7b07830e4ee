import { allow, refuse } from './allow.ts'
import { enrollAccount, isOpenlyAllowed, type RegisteredAccount } from './enroll-account.ts'
import type { Pair, PriorKnowledge } from './pair.ts'
import { done, failed, inDoubt, type PairResult } from './work.ts'

/**
 * Enrolls one person in one course through the single APIs: if bulk_enroll is off, for an address that it can't take,
 * for a person who registered and has not activated (bulk_enroll makes only an allowance for them), and after an
 * `error` from it.
 *
 * With `effect_unknown`, it never re-enrolls a person who was unenrolled. An inactive enrollment, or an allowance that
 * was used by an account that no longer has this address, gives the reason person.unenrolled, and nothing is sent. Two
 * cases look the same as an attempt that never took effect, and enroll the person again: an allowance that was made and
 * deleted before it was used, and an account that was deleted with its enrollments and registered again.
 *
 * A failure has `mayHaveTakenEffect` if this call, or one before it, may have changed something.
 * @throws what `acquire` rejects with
 */
export async function enrollSingly({ prior, ...pair }: Pair & { prior: PriorKnowledge }): Promise<PairResult> {
  const result = await enrollAs(pair, prior)
  return prior === 'unasked' ? result : inDoubt(result)
}

async function enrollAs(pair: Pair, prior: PriorKnowledge): Promise<PairResult> {
  const account = await pair.lms.account(pair.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  switch (person.status) {
    case 'retired':
      return refuse(person)
    case 'other_account':
      return prior === 'allowed_by_bulk' ? disallowAnd(refuse(person), pair) : refuse(person)
    case 'unknown':
      // A batch that found an account found a stranger's, or one that has another address now.
      return allow(pair, prior === 'unasked' || prior === 'allowed_before' ? prior : 'effect_unknown')
    case 'active':
    case 'inactive':
      return enrollRegistered(pair, prior, person)
  }
}

async function enrollRegistered(pair: Pair, prior: PriorKnowledge, person: RegisteredAccount): Promise<PairResult> {
  const isEnrolled = prior === 'enrolled_and_allowed' && (pair.mode ?? null) === null
  const enrolled = isEnrolled ? done('enrolled') : await enrollAccount(pair, person, prior)
  if (person.status === 'active' || enrolled.kind === 'failure') return enrolled
  if (enrolled.kind === 'reason' && enrolled.reason.code === 'lms.refused') {
    const allowed = prior === 'allowed_by_bulk' ? { ok: true as const, value: true } : await isOpenlyAllowed(pair)
    if (!allowed.ok) return failed(allowed.failure)
    return allowed.value ? done('allowed') : enrolled
  }
  return disallowAnd(enrolled, pair)
}

/**
 * Deletes the allowance of bulk_enroll or of an earlier sale, used or not. It would enroll this or another person on
 * activation, even after a refund (the LMS's source: CourseEnrollmentAllowed.for_user).
 */
async function disallowAnd(result: PairResult, pair: Pair): Promise<PairResult> {
  const deleted = await pair.lms.disallow(await pair.acquire(), pair)
  return deleted.ok ? result : failed(deleted.failure)
}
