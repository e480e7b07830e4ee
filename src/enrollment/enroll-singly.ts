import { allow, refuse } from './allow.ts'
import { enrollKnown, isOpenlyAllowed, type Known } from './enroll-known.ts'
import type { Pair, Standing } from './pair.ts'
import { done, failed, inDoubt, type PairResult } from './work.ts'

/**
 * Enrolls one person in one course by the single APIs: where bulk_enroll is off, for an address that it can't take, for
 * a person who has registered but not activated (it makes only an allowance for them), and after an `error` in it.
 *
 * With `effect_unknown` nobody who was unenrolled comes back: an inactive enrollment, or an allowance that was used by
 * an account that no longer has this address, gives the reason person.unenrolled, and nothing is sent. Two things can't
 * be told from an attempt that never took effect, and enroll the person again: an allowance that was made, and deleted
 * before anybody used it; and an account that was deleted with its enrollments, and registered again.
 *
 * A failure has `mayHaveTakenEffect` where this call, or one before it, may have changed something.
 * @throws what `acquire` rejects with
 */
export async function enrollSingly({ standing, ...pair }: Pair & { standing: Standing }): Promise<PairResult> {
  const result = await enrollAs(pair, standing)
  return standing === 'unasked' ? result : inDoubt(result)
}

async function enrollAs(pair: Pair, standing: Standing): Promise<PairResult> {
  const account = await pair.lms.account(pair.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  switch (person.status) {
    case 'retired':
      return refuse(person)
    case 'other_account':
      return standing === 'allowed_by_bulk' ? disallowAnd(refuse(person), pair) : refuse(person)
    case 'unknown':
      if (standing === 'allowed_by_bulk') return done('allowed')
      if (standing === 'enrolled_and_allowed') return done('enrolled')
      return allow(pair, standing)
    case 'active':
    case 'inactive':
      return enrollRegistered(pair, standing, person)
  }
}

async function enrollRegistered(pair: Pair, standing: Standing, person: Known): Promise<PairResult> {
  const enrolled = standing === 'enrolled_and_allowed' ? done('enrolled') : await enrollKnown(pair, person, standing)
  if (standing === 'unasked' || person.status === 'active' || enrolled.kind === 'failure') return enrolled
  if (enrolled.kind === 'reason' && enrolled.reason.code === 'lms.refused') {
    const allowed = standing === 'allowed_by_bulk' ? { ok: true as const, value: true } : await isOpenlyAllowed(pair)
    if (!allowed.ok) return failed(allowed.failure)
    return allowed.value ? done('allowed') : enrolled
  }
  return disallowAnd(enrolled, pair)
}

/** An allowance that bulk_enroll made would enroll them, or another, on activation, also after a refund in between. */
async function disallowAnd(result: PairResult, pair: Pair): Promise<PairResult> {
  const deleted = await pair.lms.disallow(await pair.acquire(), pair)
  return deleted.ok ? result : failed(deleted.failure)
}
