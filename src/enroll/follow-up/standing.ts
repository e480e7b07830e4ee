import type { Account } from '../../lms/apis/accounts.ts'
import { type CourseStanding, type LmsAccount, lineOf, type Standing } from '../../sale/line.ts'
import { isWatched } from './access.ts'
import type { Reported } from './reported.ts'

const DAY_MS = 86_400_000
/** An unchanged standing is stored again after this time, so that a round writes few rows and its time stays recent. */
const STORE_AGAIN_MS = 6 * 3_600_000

/**
 * The account that the LMS has for an address, or that a course was given to. `registered`: there is one, and it is not known
 * whether it is active. `gone`: the account that the course was given to doesn't exist any more.
 */
export type SeenAccount = Account | ({ readonly status: 'registered' } & LmsAccount) | { readonly status: 'gone' }

export interface SeenRow {
  readonly active: boolean
  readonly mode: string
  /** The person is enrolled, but not yet in the mode of the setting. */
  readonly modePending: boolean
}

/** What the LMS has for the buyer of one delivery. */
export interface Seen {
  readonly account: SeenAccount
  /**
   * By true course key, the account that the course was given to, or that has used its allowance, if another address is that
   * account's by now, or it was retired or is gone. The person of these courses is that account, and not the one at the address.
   */
  readonly left: ReadonlyMap<string, SeenAccount>
  /** The enrollments by true course key. Only the courses of the check were asked about. */
  readonly rows: ReadonlyMap<string, SeenRow>
  /** The courses with an allowance that enrolls on activation; null if the LMS was not asked. */
  readonly allowed: ReadonlySet<string> | null
}

/** The account of the buyer in a course: the one that it was given to, or else the one that has the address. */
export const buyerIn = (course: string, { left, account }: Pick<Seen, 'left' | 'account'>): SeenAccount =>
  left.get(course) ?? account

/** The person's standing in a course, by what was seen. */
export function standingIn(course: string, seen: Seen): Pick<CourseStanding, 'standing' | 'mode' | 'moved'> {
  const { rows, allowed } = seen
  const account = buyerIn(course, seen)
  const of = (standing: Standing) => ({ standing, mode: null })
  if (account.status === 'retired' || account.status === 'other_account') return of(account.status)
  if (account.status === 'gone') return of('missing')
  const row = rows.get(course)
  const moved = seen.left.has(course) ? ({ moved: true } as const) : {}
  if (row !== undefined) return { standing: row.active ? 'enrolled' : 'unenrolled', mode: row.mode, ...moved }
  if (seen.left.has(course)) return { ...of('missing'), ...moved }
  const mayWait = allowed === null || allowed.has(course)
  switch (account.status) {
    case 'unknown':
      return of(mayWait ? 'no_account' : 'missing')
    case 'inactive':
      return of(mayWait ? 'not_activated' : 'missing')
    case 'registered':
      return of('not_activated')
    case 'active':
      return of('missing')
  }
}

/**
 * The standing to store after a check at `at` (ms since 1970). A round of the follow-up doesn't ask for allowances, so
 * it keeps the finding of an earlier check that there is none.
 */
export function standingAfter({
  course,
  seen,
  before,
  watched,
  at,
}: {
  course: string
  seen: Seen
  before: CourseStanding | null
  /** Whether its access may end or come back, and if so, whether something keeps it from that: see blockedBy. */
  watched: { readonly isBlocked: boolean } | null
  at: number
}): CourseStanding {
  // Whoever was enrolled had an active account: an enrollment that is gone doesn't wait for the activation.
  const account = buyerIn(course, seen)
  const isGone = watched !== null && 'username' in account && !seen.rows.has(course)
  const found = { ...standingIn(course, seen), ...(isGone ? { standing: 'missing' as const, mode: null } : {}) }
  const stays =
    seen.allowed === null &&
    before?.standing === 'missing' &&
    (found.standing === 'no_account' || found.standing === 'not_activated')
  const { standing, mode, moved } = stays ? before : found
  const isSame = before?.standing === standing
  // An address that no account has shows nothing, because the person may have changed it.
  const isNobody = account.status === 'retired' || account.status === 'gone'
  const isIn = !isNobody && seen.rows.get(course)?.active
  const isOut = isNobody || ('username' in account && !isIn)
  const mayEnd = watched !== null && !watched.isBlocked
  const ended = isOut ? (before?.endedAt ?? at) : isIn ? undefined : before?.endedAt
  const endedAt = mayEnd ? ended : before?.endedAt
  return {
    standing,
    mode,
    checkedAt: at,
    since: isSame ? before.since : at,
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(moved ? { moved } : {}),
  }
}

/**
 * Whether to ask for the account of a person without an enrollment in a course. Of one who was enrolled and whose address
 * no account has: whether it was retired.
 */
export function isDueToAsk(
  reported: Reported,
  { course, account, at }: { course: string; account: SeenAccount; at: number },
) {
  const before = lineOf(reported.lines, course)?.standing ?? null
  if (isWatched(reported, course)) return account.status === 'unknown' && before?.endedAt === undefined
  return 'username' in account && isDueAgain(before, at)
}

/**
 * Whether to ask whether an account without an enrollment is active: a day after a check first found it so, and then once
 * a day. Without an answer it stays due, because the check isn't stored.
 */
function isDueAgain(before: CourseStanding | null, at: number): boolean {
  if (before === null || (before.standing !== 'not_activated' && before.standing !== 'missing')) return false
  const daysAt = (time: number): number => Math.floor((time - before.since) / DAY_MS)
  return daysAt(at) > daysAt(before.checkedAt)
}

/** Whether a check changes what the database should have. Pure. */
export function isWorthStoring(before: CourseStanding | null, after: CourseStanding): boolean {
  if (before === null || before.standing !== after.standing || before.mode !== after.mode) return true
  if (before.endedAt !== after.endedAt || before.moved !== after.moved) return true
  return after.checkedAt - before.checkedAt >= STORE_AGAIN_MS || isDueAgain(before, after.checkedAt)
}
