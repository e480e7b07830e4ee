import type { Reason } from '../../sale/reasons.ts'
import type { CourseResult, CourseStanding, Standing, Standings } from '../../sale/types.ts'

const DAY_MS = 24 * 3_600_000
/** An unchanged standing is stored again after this time, so that a round writes few rows and its time stays recent. */
const STORE_AGAIN_MS = 6 * 3_600_000
/** This many checks in a row must find an account without an enrollment before the LMS is asked whether it is active. */
const CHECKS_BEFORE_ASKING = 3

/**
 * The account that the LMS has for an address. `registered`: there is one, and it is not known whether it is active.
 * The address of another account is masked.
 */
export type SeenAccount =
  | { readonly status: 'unknown' | 'retired' }
  | { readonly status: 'other_account'; readonly address: string }
  | { readonly status: 'active' | 'inactive' | 'registered'; readonly username: string }

export interface SeenRow {
  readonly active: boolean
  readonly mode: string
  /** The person is enrolled, but not yet in the mode of the setting. */
  readonly modePending: boolean
  /** Why the person does not get that mode; null if they do, or if nobody has tried. */
  readonly against: Reason | null
}

/** What the LMS has for one person. */
export interface Seen {
  readonly account: SeenAccount
  /** The enrollments by true course key. Only a course in `courses` was asked about. */
  readonly rows: ReadonlyMap<string, SeenRow>
  readonly courses: ReadonlySet<string>
  /** The courses with an allowance that enrolls on activation; null if the LMS was not asked. */
  readonly allowed: ReadonlySet<string> | null
}

/** The person's standing in a course, by what was seen. */
export function standingIn(
  course: string,
  { account, rows, allowed }: Seen,
): Pick<CourseStanding, 'standing' | 'mode'> {
  const of = (standing: Standing) => ({ standing, mode: null })
  if (account.status === 'retired' || account.status === 'other_account') return of(account.status)
  const row = rows.get(course)
  if (row !== undefined) return { standing: row.active ? 'enrolled' : 'unenrolled', mode: row.mode }
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
  at,
}: {
  course: string
  seen: Seen
  before: CourseStanding | undefined
  at: number
}): CourseStanding {
  const found = standingIn(course, seen)
  const stays =
    seen.allowed === null &&
    ((before?.standing === 'missing' && (found.standing === 'no_account' || found.standing === 'not_activated')) ||
      (before?.standing === 'retired' && found.standing === 'no_account')) // search_emails leaves out retired accounts
  const { standing, mode } = stays ? before : found
  const isSame = before?.standing === standing
  return {
    standing,
    mode,
    checkedAt: at,
    since: isSame ? before.since : at,
    checks: isSame ? before.checks + 1 : 1,
  }
}

/**
 * Whether to ask whether an account without an enrollment is active: at the third check, a day after the first, and
 * then once a day. Without an answer it stays due, because the check isn't stored.
 */
export function isDueToAsk(before: CourseStanding | undefined, at: number): boolean {
  if (before === undefined || (before.standing !== 'not_activated' && before.standing !== 'missing')) return false
  if (before.checks + 1 < CHECKS_BEFORE_ASKING) return false
  const daysAt = (time: number): number => Math.floor((time - before.since) / DAY_MS)
  return daysAt(at) > daysAt(before.checkedAt)
}

/** Whether a check changes what the database should have. */
export function isWorthStoring(before: CourseStanding | undefined, after: CourseStanding): boolean {
  if (before === undefined || before.standing !== after.standing || before.mode !== after.mode) return true
  return after.checkedAt - before.checkedAt >= STORE_AGAIN_MS || isDueToAsk(before, after.checkedAt)
}

/** Whether the timeline should have a change: not if the course has what was reported, or still waits for an account. */
export function isNews(reported: CourseResult | undefined, before: CourseStanding | undefined, after: CourseStanding) {
  if (before?.standing === after.standing || after.standing === 'no_account') return false
  return !(reported === 'enrolled' && after.standing === 'enrolled' && before === undefined)
}

/**
 * Why a pre-enrolled buyer will not get the course by waiting; null if they may. Only the courses that wait for the
 * buyer's account count.
 */
export function reasonAgainst({
  waiting,
  standings,
  account,
}: {
  waiting: readonly string[]
  standings: Standings
  account: SeenAccount
}): Reason | null {
  const first = (standing: Standing) => waiting.find((course) => standings[course]?.standing === standing)
  const unenrolled = first('unenrolled')
  if (unenrolled !== undefined) return { code: 'person.unenrolled', subject: unenrolled }
  if (account.status === 'other_account') return { code: 'person.other_account', subject: account.address }
  if (account.status === 'retired') return { code: 'person.retired', subject: '' }
  const missing = account.status === 'active' ? first('missing') : undefined
  return missing === undefined ? null : { code: 'enrollment.missing', subject: missing }
}
