import type { Account } from '../lms/apis/accounts.ts'
import { enrollsOnActivation } from '../lms/apis/enrollment-allowed.ts'
import { enrollAccount } from './enroll-account.ts'
import type { Pair, PriorKnowledge } from './pair.ts'
import { done, failed, inDoubt, type PairResult, refused } from './work.ts'

/**
 * Makes an allowance for an address that had no account just now. If there is one already, this function checks it,
 * since the LMS answers 409 for any allowance:
 * - one without auto_enroll, which it doesn't upgrade (recorded: enrollment-allowed.json, 'allow again with auto_enroll
 *   true: not upgraded')
 * - one that another account has used
 * - one for the course's key in another letter case
 * - one for another person, whose address the database takes for this one
 * It deletes all but the last kind and makes them again.
 *
 * With `effect_unknown`, it reads before it makes an allowance, and leaves a used one alone. An earlier attempt may
 * have made that, and the account that used it now has another address, so nobody can tell whether the person was
 * unenrolled.
 */
export async function allow(pair: Pair, prior: 'unasked' | 'effect_unknown' | 'allowed_before'): Promise<PairResult> {
  const { lms, acquire, email, course } = pair
  if (prior === 'unasked') {
    const made = await post(pair)
    if ('kind' in made) return made
    if (made.answer === 'created') return inDoubt(await settleAllowance(pair, prior))
  }
  const listed = await lms.allowances(await acquire(), { email })
  if (!listed.ok) return failed(listed.failure)
  // At most one: the LMS's database ignores the letter case of a key, even if its courses don't.
  const found = listed.value.find((one) => one.course.toLowerCase() === course.toLowerCase())
  if (found === undefined) return makeAllowance(pair, prior)
  if (found.other !== null) return refused({ code: 'person.other_account', subject: found.other })
  if (found.course === course && enrollsOnActivation(found)) return done('allowed')
  if (found.used && prior === 'effect_unknown') return refused({ code: 'person.unenrolled', subject: course })
  const deleted = await lms.disallow(await acquire(), { email, course })
  return deleted.ok ? inDoubt(await makeAllowance(pair, prior)) : failed(deleted.failure)
}

async function makeAllowance(pair: Pair, prior: PriorKnowledge): Promise<PairResult> {
  const made = await post(pair)
  return 'kind' in made ? made : inDoubt(await settleAllowance(pair, prior))
}

/**
 * Makes the allowance, unless the LMS has lost the course: the LMS would accept it, and its buyer couldn't activate an
 * account (recorded: lms-newer/paid-modes.json, 'SURPRISE: activation with a dangling allowance …'). The course is looked
 * up after the wait for the permit, which can be long.
 */
async function post({ lms, acquire, email, course }: Pair): Promise<PairResult | { answer: 'created' | 'exists' }> {
  const permit = await acquire()
  const found = await lms.course(course)
  if (!found.ok || found.value === null) {
    permit.release()
    return found.ok ? refused({ code: 'course.missing', subject: course }) : failed(found.failure)
  }
  const made = await lms.allow(permit, { email, course })
  return made.ok ? { answer: made.value } : failed(made.failure)
}

/**
 * Looks up the account again after making an allowance. An allowance enrolls only on activation (recorded:
 * registration.json), so it does nothing for a person who activated an account since the first look-up. That person is
 * enrolled, and the allowance is deleted, since it would enroll them again after they left.
 */
async function settleAllowance(pair: Pair, prior: PriorKnowledge): Promise<PairResult> {
  const account = await pair.lms.account(pair.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  if (person.status === 'unknown' || person.status === 'inactive') return done('allowed')
  const result = 'username' in person ? await enrollAccount(pair, person, prior) : refuse(person)
  if (result.kind === 'failure') return result
  const deleted = await pair.lms.disallow(await pair.acquire(), pair)
  return deleted.ok ? result : failed(deleted.failure)
}

/**
 * The reason for an address whose account is retired, or that belongs to another account. Nobody is enrolled for it.
 */
export const refuse = (person: Extract<Account, { status: 'retired' | 'other_account' }>): PairResult =>
  person.status === 'retired'
    ? refused({ code: 'person.retired', subject: '' })
    : refused({ code: 'person.other_account', subject: person.address })
