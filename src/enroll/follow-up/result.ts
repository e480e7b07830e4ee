import type { EventDraft } from '../../queue/events.ts'
import type {
  CourseResult,
  CourseStanding,
  DeliveryState,
  Outcome,
  Reason,
  Standing,
  Standings,
} from '../../sale/types.ts'
import { describeOutcome, describeStandings } from '../../sale/words.ts'
import { accessEvents, changesOf, isWatched } from './access.ts'
import { coursesWith, lacksEnrollment, type Reported } from './reported.ts'
import { buyerIn, isWorthStoring, type Seen, type SeenAccount, standingAfter } from './standing.ts'

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000]

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
  readonly outcome: Outcome
  /** The same object as before if nothing of it has to be stored. */
  readonly standings: Standings
  readonly drafts: readonly EventDraft[]
}

interface Of {
  readonly check: Check
  readonly outcome: Outcome
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
 * enrolled too. In any other state, a check stores the standings, and of an enrolled delivery, whose access has ended.
 * `at` is the time of storing, ms since 1970.
 */
export function resultOfCheck(of: Of): Checked {
  const { check, outcome, standings: before, by } = of
  const isOutdated = [...check.seen.courses].some((course) => (before[course]?.checkedAt ?? 0) > check.askedAt)
  const standings = isOutdated ? before : mergedStandings(of)
  const checked = { deliveryId: check.reported.id, kind: 'checked', detail: describeStandings(standings) } as const
  const asked = by === null ? [] : [{ ...checked, actor: by }]
  const next = isOutdated ? null : nextOutcome(check, outcome, standings)
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
    if (watched !== null && seen.allowed === null && !isKnown(buyerIn(course, seen))) continue
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
  const wasMissing = lacksEnrollment(state, outcome)
  if (state !== 'pre_enrolled' && !wasMissing) return null
  const waiting = coursesWith('allowed', outcome)
  if (!waiting.some((course) => seen.courses.has(course))) return null // only what was enrolled before was looked up
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
    return standing !== before[course] && isNews(outcome.courses[course], before[course], standing)
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
