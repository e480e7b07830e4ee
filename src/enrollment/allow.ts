import type { Account } from '../openedx/accounts.ts'
import { enrollKnown, isOpen } from './enroll-known.ts'
import type { Pair, Standing } from './pair.ts'
import { done, failed, inDoubt, type PairResult, refused } from './work.ts'

/**
 * Makes an allowance for an address that had no account just now. One that is there already is looked at: the LMS
 * answers 409 for any, also for one without auto_enroll, which it doesn't upgrade (recorded: enrollment-allowed.json,
 * 'allow again with auto_enroll true: not upgraded'), for one that another account has used up, for one of
 * the course's key in other letters, and for another person's, whose address the database takes for this one. All but
 * the last are deleted and made anew.
 *
 * With `effect_unknown` it reads before it makes one, and a used one is left alone: an earlier attempt may have made it,
 * and the account that used it has another address by now, so whether that person was unenrolled can't be told.
 */
export async function allow(
  pair: Pair,
  standing: 'unasked' | 'effect_unknown' | 'allowed_before',
): Promise<PairResult> {
  const { lms, acquire, email, course } = pair
  if (standing === 'unasked') {
    const made = await lms.allow(await acquire(), { email, course })
    if (!made.ok) return failed(made.failure)
    if (made.value === 'created') return inDoubt(await settleAllowance(pair, standing))
  }
  const listed = await lms.allowances(await acquire(), { email })
  if (!listed.ok) return failed(listed.failure)
  // At most one: the LMS's database takes a key in other letters for the same, though its courses need not.
  const found = listed.value.find((one) => one.course.toLowerCase() === course.toLowerCase())
  if (found === undefined) return makeAllowance(pair, standing)
  if (found.other !== null) return refused({ code: 'person.other_account', subject: found.other })
  if (found.course === course && isOpen(found)) return done('allowed')
  if (found.used && standing === 'effect_unknown') return refused({ code: 'person.unenrolled', subject: course })
  const deleted = await lms.disallow(await acquire(), { email, course })
  return deleted.ok ? inDoubt(await makeAllowance(pair, standing)) : failed(deleted.failure)
}

async function makeAllowance(pair: Pair, standing: Standing): Promise<PairResult> {
  const made = await pair.lms.allow(await pair.acquire(), pair)
  return made.ok ? inDoubt(await settleAllowance(pair, standing)) : failed(made.failure)
}

/**
 * Looks at the account again after an allowance was made. An allowance enrolls nobody but on activation (recorded:
 * registration.json), so it does nothing for a person who activated an account since the first look: they are enrolled,
 * and the allowance, which would let them back in after they left, is deleted.
 */
async function settleAllowance(pair: Pair, standing: Standing): Promise<PairResult> {
  const account = await pair.lms.account(pair.email)
  if (!account.ok) return failed(account.failure)
  const person = account.value
  if (person.status === 'unknown' || person.status === 'inactive') return done('allowed')
  const result = 'username' in person ? await enrollKnown(pair, person, standing) : refuse(person)
  if (result.kind === 'failure') return result
  const deleted = await pair.lms.disallow(await pair.acquire(), pair)
  return deleted.ok ? result : failed(deleted.failure)
}

/** Nobody is enrolled for an address that isn't a person's any more, or is another one's. */
export const refuse = (person: Extract<Account, { status: 'retired' | 'other_account' }>): PairResult =>
  person.status === 'retired'
    ? refused({ code: 'person.retired', subject: '' })
    : refused({ code: 'person.other_account', subject: person.address })
