import { defaultWorld } from '../../sandbox/default-world.ts'
import type { AllowanceRow, EnrollmentRow } from '../../sandbox/lms/world.ts'

/**
 * Every combination of what a sale can meet in the LMS, and what has to come out of it. The expectations restate the rules
 * of decisions 5, 7 and 21 in the order in which they apply, independently of the code that enrolls.
 */

/** Whose account has the buyer's address. */
export const ACCOUNTS = {
  none: 'no account',
  active: 'an active account',
  inactive: 'an account that isn’t activated',
  retired: 'a retired account',
  other: 'the account of an address that the LMS’s database takes for it',
  moved: 'none any more: its account has another address now',
  strangers_name: 'no account, and a stranger has it as username',
  own_and_strangers_name: 'an active account, and a stranger has it as username',
} as const
type AccountKind = keyof typeof ACCOUNTS

/** A course without a mode of the setting, one with `verified` of the setting, and one where its sale has ended. */
export const COURSES = {
  plain: 'course-v1:Rules+Plain+1',
  paid: 'course-v1:Rules+Paid+1',
  ended: 'course-v1:Rules+Ended+1',
} as const
type CourseKind = keyof typeof COURSES

/**
 * The newest statement about the sale. `first`: it was never attempted. `retry`: our own attempt after one of unknown
 * effect, of a sale that never succeeded. The others come after the sale enrolled or allowed the buyer; `in_doubt` ones
 * while the effect of an attempt is unknown.
 */
export const STATEMENTS = ['first', 'retry', 'repeat', 'repeat_in_doubt', 'replay_in_doubt'] as const
export type Statement = (typeof STATEMENTS)[number]

type Row = { readonly mode: 'audit' | 'verified'; readonly active: boolean } | null
/** `used`: by this account, or by the one that has another address now. */
type AllowanceKind = 'none' | 'open' | 'not_automatic' | 'used'

export interface Case {
  readonly email: string
  readonly account: AccountKind
  readonly course: CourseKind
  readonly row: Row
  readonly allowance: AllowanceKind
}

const ROWS: readonly Row[] = [
  null,
  { mode: 'audit', active: true },
  { mode: 'verified', active: true },
  { mode: 'audit', active: false },
  { mode: 'verified', active: false },
]
const ALLOWANCES: readonly AllowanceKind[] = ['none', 'open', 'not_automatic', 'used']

const hasAccount = (account: AccountKind): boolean =>
  account === 'active' || account === 'inactive' || account === 'own_and_strangers_name'

/**
 * What can be in the LMS for such an account. The mode of the setting has nothing to do with allowances, so these are
 * combined with one course only.
 */
function possible({ account, row, allowance, course }: Omit<Case, 'email'>): boolean {
  if (course !== 'plain' && allowance !== 'none') return false
  // A few are enough, because they are sold one after the other.
  if (account === 'own_and_strangers_name')
    return course === 'plain' && row?.mode !== 'verified' && allowance === 'none'
  if (hasAccount(account)) return true
  if (account === 'moved') return allowance === 'none' || allowance === 'used'
  return row === null && allowance !== 'used' && (account === 'none' || allowance === 'none' || allowance === 'open')
}

/** All cases, each with a buyer of its own. */
export const CASES: readonly Case[] = (Object.keys(ACCOUNTS) as AccountKind[])
  .flatMap((account) =>
    (Object.keys(COURSES) as CourseKind[]).flatMap((course) =>
      ROWS.flatMap((row) => ALLOWANCES.map((allowance) => ({ account, course, row, allowance }))),
    ),
  )
  .filter(possible)
  .map((one, at) => ({ ...one, email: `b${at}@example.com` }))

export const nameOf = ({ email }: Pick<Case, 'email'>): string => `u${email.split('@')[0]}`
export const strangerOf = ({ email }: Pick<Case, 'email'>): string => `stranger-${email}`
export const movedOf = ({ email }: Pick<Case, 'email'>): string => `moved-${email}`
const foldsTo = (email: string): string => email.replace('@example', '@exämple')

export const describeCase = ({ account, course, row, allowance }: Case, statement: Statement): string =>
  `${statement} of ${course}; ${ACCOUNTS[account]}; row ${row === null ? 'none' : `${row.active ? 'active' : 'inactive'} ${row.mode}`}; allowance ${allowance}`

const modes = (key: string, ends = {}) => ({ id: key, name: key, modes: ['audit', 'verified'], mode_ends: ends })

/** The LMS before the sales: who will have an account has it, so that the sale enrolls them. Strangers are there too. */
export function worldBefore() {
  return worldOf(CASES.map((one) => ({ ...one, row: null, allowance: 'none' as const, ...beforehand(one) })))
}

/** A retired account or another person's appears after the sale; one that moves away had the address. */
const beforehand = ({ account }: Case): { account: AccountKind } => ({
  account: account === 'moved' ? 'active' : account === 'retired' || account === 'other' ? 'none' : account,
})

/** The LMS as the cases say; those who moved still have their first address. */
export const worldOf = (cases: readonly Case[]) => ({
  ...defaultWorld,
  people: [...defaultWorld.people, ...cases.flatMap(peopleOf)],
  retired_emails: cases.filter(({ account }) => account === 'retired').map(({ email }) => email),
  courses: [modes(COURSES.plain), modes(COURSES.paid), modes(COURSES.ended, { verified: '2020-01-01' })],
  enrollments: cases.flatMap(rowsOf),
  allowances: cases.flatMap(allowancesOf),
})

function peopleOf(one: Case) {
  const { account, email } = one
  const own = { email, username: nameOf(one), active: account !== 'inactive' }
  const stranger = { email: strangerOf(one), username: email, active: true }
  if (account === 'strangers_name') return [stranger]
  if (account === 'own_and_strangers_name') return [own, stranger]
  if (account === 'other') return [{ ...own, email: foldsTo(email) }]
  return hasAccount(account) || account === 'moved' ? [own] : []
}

function rowsOf({ account, email, course, row }: Case): EnrollmentRow[] {
  const rows: EnrollmentRow[] = row === null ? [] : [{ email, course: COURSES[course], ...row }]
  // A stranger who has the course in a paid mode must keep it.
  if (account === 'strangers_name' || account === 'own_and_strangers_name') {
    rows.push({ email: strangerOf({ email }), course: COURSES[course], mode: 'verified', active: true })
  }
  return rows
}

function allowancesOf({ email, course, allowance }: Case): AllowanceRow[] {
  if (allowance === 'none') return []
  const auto_enroll = allowance !== 'not_automatic'
  return [{ email, course: COURSES[course], auto_enroll, used: allowance === 'used' }]
}

export interface Expected {
  /** The code of the reason; null if the sale succeeds. */
  readonly reason: string | null
  readonly row: Row
  /** Whether an allowance enrolls somebody who activates an account with this address; false if the account is active. */
  readonly enrollsLater: boolean
}

/**
 * What the rules demand. `row` is that of the buyer's account, wherever its address is now.
 * @param lms.isLostIn500 whether the batch that names the buyer fails with 500, because the address is a stranger's
 *   username too: then the next attempt is one after an unknown effect, for each statement
 */
export function expected(one: Case, statement: Statement, lms: { readonly isLostIn500: boolean }): Expected {
  const { account, allowance, row } = one
  const enrollsLater = allowance === 'open'
  const isInBatch = one.course === 'plain'
  // A replay clears the doubt: an operator has decided.
  const inDoubt =
    statement === 'retry' ||
    statement === 'repeat_in_doubt' ||
    (lms.isLostIn500 && isInBatch && account === 'own_and_strangers_name')
  switch (account) {
    case 'retired':
      return { reason: 'person.retired', row, enrollsLater }
    case 'other':
      return { reason: 'person.other_account', row, enrollsLater }
    case 'moved':
      if (inDoubt && allowance === 'used') return { reason: 'person.unenrolled', row, enrollsLater: false }
      return { reason: null, row, enrollsLater: true }
    case 'none':
    case 'strangers_name':
      return { reason: null, row: null, enrollsLater: true }
    case 'active':
    case 'inactive':
    case 'own_and_strangers_name':
      return { ...enrolled(one, statement, inDoubt), enrollsLater: false }
  }
}

/**
 * The mode in which whoever has the address is in the course after the sale and its refund, once their account is active: only
 * what the sale gave is taken back, or may have given, in doubt. null if they are not in it.
 */
export function hadBefore(one: Case, statement: Statement, lms: { readonly hasBatch: boolean }): string | null {
  const { account, row, allowance } = one
  if (statement !== 'first' || account === 'moved') return null
  // The batch fails for this buyer, so what it did is in doubt.
  if (lms.hasBatch && one.course === 'plain' && account === 'own_and_strangers_name') return null
  if (row?.active) return row.mode
  // Whoever has no account then gets one, and an allowance that enrolls enrolls them.
  return allowance === 'open' && (account === 'none' || account === 'strangers_name') ? 'audit' : null
}

function enrolled({ course, row }: Case, statement: Statement, inDoubt: boolean): Omit<Expected, 'enrollsLater'> {
  // A sale whose mode was missing never succeeded.
  const isNew = statement === 'first' || statement === 'retry' || course === 'ended'
  if (row !== null && !row.active && inDoubt) return { reason: 'person.unenrolled', row }
  if (course === 'plain') return { reason: null, row: row?.active ? row : { mode: 'audit', active: true } }
  const isOffered = course === 'paid'
  if (row?.active) {
    // Only a free mode is changed, and to a paid one only if the sale never succeeded.
    if (row.mode === 'verified' || !isNew) return { reason: null, row }
    return isOffered
      ? { reason: null, row: { mode: 'verified', active: true } }
      : { reason: 'course.mode_missing', row }
  }
  if (!isOffered) return { reason: 'course.mode_missing', row: { mode: 'audit', active: true } }
  // A paid mode that the buyer lost comes back only with a sale that has not given the course yet.
  const isLost = row?.mode === 'verified' && !isNew
  return { reason: null, row: { mode: isLost ? 'audit' : 'verified', active: true } }
}
