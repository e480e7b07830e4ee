import type { EventDraft } from '../../queue/events.ts'
import type {
  BuyerAccounts,
  CourseResult,
  CourseStanding,
  DeliveryState,
  Outcome,
  Reason,
  Standing,
  Standings,
} from '../../sale/types.ts'
import { describeOutcome, describeStandings } from '../../sale/words.ts'
import { accessEvents, changesOf, endedAfter, isWatched } from './access.ts'
import { coursesWith, type Reported } from './reported.ts'

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000]
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
  | { readonly status: 'active' | 'inactive' | 'registered'; readonly username: string; readonly id?: number }

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
  /**
   * By true course key, the account that the course was given to, if another address is that account's by now, or it was
   * retired. The person of these courses is that account, and not the one at the address.
   */
  readonly left?: ReadonlyMap<string, SeenAccount>
  /** The enrollments by true course key. Only a course in `courses` was asked about. */
  readonly rows: ReadonlyMap<string, SeenRow>
  readonly courses: ReadonlySet<string>
  /** The courses with an allowance that enrolls on activation; null if the LMS was not asked. */
  readonly allowed: ReadonlySet<string> | null
}

/** The account of the buyer in a course: the one that it was given to, or else the one that has the address. */
export const accountIn = (course: string, { left, account }: Pick<Seen, 'left' | 'account'>): SeenAccount =>
  left?.get(course) ?? account

/** The person's standing in a course, by what was seen. */
export function standingIn(course: string, seen: Seen): Pick<CourseStanding, 'standing' | 'mode' | 'moved'> {
  const { rows, allowed } = seen
  const account = accountIn(course, seen)
  const of = (standing: Standing) => ({ standing, mode: null })
  if (account.status === 'retired' || account.status === 'other_account') return of(account.status)
  const row = rows.get(course)
  const moved = seen.left?.has(course) ? ({ moved: true } as const) : {}
  if (row !== undefined) return { standing: row.active ? 'enrolled' : 'unenrolled', mode: row.mode, ...moved }
  if (seen.left?.has(course)) return { ...of('missing'), ...moved }
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
 * The accounts that the courses of a delivery were given to, after a check: who is first seen enrolled in a course for
 * which the delivery knows no account is its buyer from then on. Pure.
 * @param of.standings after the check
 */
export function accountsAfterCheck({
  seen: { account, courses },
  accounts,
  standings,
}: {
  seen: Pick<Seen, 'account' | 'courses'>
  accounts: BuyerAccounts
  standings: Standings
}): BuyerAccounts {
  if (!('username' in account) || account.id === undefined) return accounts
  const { id, username } = account
  const isNew = (course: string): boolean =>
    accounts[course] === undefined && standings[course]?.standing === 'enrolled'
  const found = [...courses].filter(isNew).map((course) => [course, { id, username }] as const)
  return found.length === 0 ? accounts : { ...accounts, ...Object.fromEntries(found) }
}

/**
 * The standing to store after a check at `at` (ms since 1970). A round of the follow-up doesn't ask for allowances, so
 * it keeps the finding of an earlier check that there is none.
 */
function standingAfter({
  course,
  seen,
  before,
  watched,
  at,
}: {
  course: string
  seen: Seen
  before: CourseStanding | undefined
  /** Whether its access may end or come back, and if so, whether something keeps it from that. */
  watched: { readonly isBlocked: boolean } | null
  at: number
}): CourseStanding {
  // Whoever was enrolled had an active account: an enrollment that is gone doesn't wait for the activation.
  const account = accountIn(course, seen)
  const isGone = watched !== null && 'username' in account && !seen.rows.has(course)
  const found = { ...standingIn(course, seen), ...(isGone ? { standing: 'missing' as const, mode: null } : {}) }
  const stays =
    seen.allowed === null &&
    ((before?.standing === 'missing' && (found.standing === 'no_account' || found.standing === 'not_activated')) ||
      (before?.standing === 'retired' && found.standing === 'no_account')) // search_emails leaves out retired accounts
  const { standing, mode, moved } = stays ? before : found
  const isSame = before?.standing === standing
  const endedAt =
    watched === null ? before?.endedAt : endedAfter({ course, seen: { ...seen, account }, before, at, ...watched })
  return {
    standing,
    mode,
    checkedAt: at,
    since: isSame ? before.since : at,
    checks: isSame ? before.checks + 1 : 1,
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
  const before = reported.standings[course]
  if (isWatched(reported, course)) return account.status === 'unknown' && before?.endedAt === undefined
  return 'username' in account && isDueAgain(before, at)
}

/**
 * Whether to ask whether an account without an enrollment is active: at the third check, a day after the first, and
 * then once a day. Without an answer it stays due, because the check isn't stored.
 */
function isDueAgain(before: CourseStanding | undefined, at: number): boolean {
  if (before === undefined || (before.standing !== 'not_activated' && before.standing !== 'missing')) return false
  if (before.checks + 1 < CHECKS_BEFORE_ASKING) return false
  const daysAt = (time: number): number => Math.floor((time - before.since) / DAY_MS)
  return daysAt(at) > daysAt(before.checkedAt)
}

/** Whether a check changes what the database should have. */
function isWorthStoring(before: CourseStanding | undefined, after: CourseStanding): boolean {
  if (before === undefined || before.standing !== after.standing || before.mode !== after.mode) return true
  if (before.endedAt !== after.endedAt || before.moved !== after.moved) return true
  return after.checkedAt - before.checkedAt >= STORE_AGAIN_MS || isDueAgain(before, after.checkedAt)
}

/** Whether the timeline should have a change: not if the course has what was reported, or still waits for an account. */
function isNews(reported: CourseResult | undefined, before: CourseStanding | undefined, after: CourseStanding) {
  if (after.moved && !before?.moved) return true
  if (before?.standing === after.standing || after.standing === 'no_account') return false
  return !(reported === 'enrolled' && after.standing === 'enrolled' && before === undefined)
}

/**
 * Why a pre-enrolled buyer will not get the course by waiting; null if they may. Only the courses that wait for the
 * buyer's account count.
 */
function reasonAgainst({
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

/** What was seen for a delivery. */
export interface Check {
  /** The delivery as it was read before. */
  readonly reported: Reported
  readonly seen: Seen
  /** When the look-up began, ms since 1970: what others have stored since is kept. */
  readonly askedAt: number
}

interface Checked {
  readonly state: DeliveryState
  readonly outcome: Outcome | null
  /** The same object as before if nothing of it has to be stored. */
  readonly standings: Standings
  readonly drafts: readonly EventDraft[]
}

interface Of {
  readonly check: Check
  readonly outcome: Outcome | null
  readonly standings: Standings
  readonly receivedAt: number
  readonly at: number
  /** The operator who asked for the check: it is then always stored, with an event. */
  readonly by: string | null
  /** The courses whose access may neither end nor come back: see readBlocked. */
  readonly blocked?: ReadonlySet<string>
}

/**
 * What a check makes of a delivery. Only the state of a pre-enrolled buyer follows from what the LMS has: `enrolled` as
 * soon as every course is, or `needs_attention` if waiting can't help. A buyer whose enrollment was missing becomes
 * enrolled too. In any other state, a check stores the standings, and of an enrolled delivery, whose access has ended. `at` is the time of storing, ms since 1970.
 */
export function resultOfCheck(of: Of): Checked {
  const { check, outcome, standings: before, by } = of
  const isOutdated = [...check.seen.courses].some((course) => (before[course]?.checkedAt ?? 0) > check.askedAt)
  const standings = isOutdated ? before : mergedStandings(of)
  const checked = { deliveryId: check.reported.id, kind: 'checked', detail: describeStandings(standings) } as const
  const asked = by === null ? [] : [{ ...checked, actor: by }]
  const next = outcome === null || isOutdated ? null : nextOutcome(check, outcome, standings)
  if (next === null || next.state === check.reported.state) {
    const news = [...accessEvents(check.reported.id, before, standings), ...(by === null ? newsOf(of, standings) : [])]
    return { state: check.reported.state, outcome: next?.outcome ?? outcome, standings, drafts: [...asked, ...news] }
  }
  return { ...next, standings, drafts: [...asked, moveOf(of, next)] }
}

/** Whether there is nothing to store, by the delivery as it was read. */
export function changesNothing(check: Check): boolean {
  const { outcome, standings } = check.reported
  const after = resultOfCheck({ check, outcome, standings, receivedAt: 0, at: 0, by: null })
  return after.standings === standings && after.outcome === outcome
}

function mergedStandings({ check: { reported, seen, askedAt }, standings: before, by, blocked }: Of): Standings {
  const merged: Record<string, CourseStanding> = {}
  for (const course of seen.courses) {
    const watched = isWatched(reported, course) ? { isBlocked: blocked?.has(course) ?? false } : null
    // A round doesn't tell where the account of somebody is who was enrolled, if the address is another one by now.
    if (watched !== null && seen.allowed === null && !isKnown(accountIn(course, seen))) continue
    const after = standingAfter({ course, seen, before: before[course], watched, at: askedAt })
    if (by !== null || isWorthStoring(before[course], after)) merged[course] = after
  }
  return Object.keys(merged).length === 0 ? before : { ...before, ...merged }
}

const isKnown = ({ status }: SeenAccount): boolean => status !== 'unknown' && status !== 'other_account'

/** The state and the outcome if the check changes one of them; else null. */
function nextOutcome(
  { reported, seen }: Check,
  outcome: Outcome,
  standings: Standings,
): { state: DeliveryState; outcome: Outcome } | null {
  const { state } = reported
  const wasMissing = state === 'needs_attention' && outcome.reason?.code === 'enrollment.missing'
  if (state !== 'pre_enrolled' && !wasMissing) return null
  const waiting = coursesWith('allowed', outcome)
  const rowOf = (course: string) => seen.rows.get(course)
  const claimed = waiting.filter(
    (course) => standings[course]?.standing === 'enrolled' && (wasMissing || !rowOf(course)?.modePending),
  )
  const courses = { ...outcome.courses, ...Object.fromEntries(claimed.map((course) => [course, 'enrolled' as const])) }
  const [against = null] = waiting.flatMap((course) => rowOf(course)?.against ?? [])
  if (claimed.length > 0 && claimed.length === waiting.length && against === null) {
    return { state: 'enrolled', outcome: { courses, reason: null } }
  }
  if (wasMissing) return null
  const reason = reasonAgainst({ waiting, standings, account: seen.account }) ?? against
  if (reason !== null) return { state: 'needs_attention', outcome: { courses, reason } }
  return claimed.length === 0 ? null : { state, outcome: { courses, reason: null } }
}

/** The event of a delivery that changes its state. */
function moveOf(
  { check: { reported }, receivedAt, at }: Of,
  { state, outcome }: { state: DeliveryState; outcome: Outcome },
): EventDraft {
  const detail = describeOutcome(outcome)
  if (state !== 'enrolled') return { deliveryId: reported.id, kind: 'needs_attention', detail }
  const timeToClaimMs = Math.max(0, at - receivedAt)
  return {
    deliveryId: reported.id,
    kind: 'claimed',
    detail: `${detail}, ${spanOf(timeToClaimMs)} after the sale`,
    timeToClaimMs,
  }
}

function newsOf({ check, outcome, standings: before }: Of, after: Standings): EventDraft[] {
  const { ended, restored } = changesOf(before, after)
  const news = Object.entries(after).filter(([course, standing]) => {
    if (ended.includes(course) || restored.includes(course)) return false
    return standing !== before[course] && isNews(outcome?.courses[course], before[course], standing)
  })
  if (news.length === 0) return []
  return [
    { deliveryId: check.reported.id, kind: 'standing_changed', detail: describeStandings(Object.fromEntries(news)) },
  ]
}

/** A span of time in its two largest units: `3 d 4 h`. */
function spanOf(ms: number): string {
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  if (ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)} min`
  return `${Math.floor(ms / DAY_MS)} d ${Math.floor((ms % DAY_MS) / HOUR_MS)} h`
}
