import type { EventDraft } from '../../queue/events.ts'
import type { CourseStanding, DeliveryState, Outcome, Standings } from '../../sale/types.ts'
import { describeOutcome, describeStandings } from '../../sale/words.ts'
import { coursesWith, type Reported } from './reported.ts'
import { isNews, isWorthStoring, reasonAgainst, type Seen, standingAfter } from './seen.ts'

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000]

/** What was seen for a delivery. */
export interface Check {
  /** The delivery as it was read before. */
  readonly reported: Reported
  readonly seen: Seen
  /** When the look-up began, ms since 1970: what others have stored since is kept. */
  readonly askedAt: number
}

export interface Checked {
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
}

/**
 * What a check makes of a delivery. Only the state of a pre-enrolled buyer follows from what the LMS has: `enrolled` as
 * soon as every course is, or `needs_attention` if waiting can't help. A buyer whose enrollment was missing becomes
 * enrolled too. In any other state, a check only stores the standings. `at` is the time of storing, ms since 1970.
 */
export function resultOfCheck(of: Of): Checked {
  const { check, outcome, standings: before, by } = of
  const isOutdated = [...check.seen.courses].some((course) => (before[course]?.checkedAt ?? 0) > check.askedAt)
  const standings = isOutdated ? before : mergedStandings(of)
  const checked = { deliveryId: check.reported.id, kind: 'checked', detail: describeStandings(standings) } as const
  const asked = by === null ? [] : [{ ...checked, actor: by }]
  const next = outcome === null || isOutdated ? null : nextOutcome({ check, outcome, standings })
  if (next === null || next.state === check.reported.state) {
    const news = by === null ? newsOf(of, standings) : []
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

function mergedStandings({ check: { seen, askedAt }, standings: before, by }: Of): Standings {
  const merged: Record<string, CourseStanding> = {}
  for (const course of seen.courses) {
    const after = standingAfter({ course, seen, before: before[course], at: askedAt })
    if (by !== null || isWorthStoring(before[course], after)) merged[course] = after
  }
  return Object.keys(merged).length === 0 ? before : { ...before, ...merged }
}

/** The state and the outcome if the check changes one of them; else null. */
function nextOutcome({
  check: { reported, seen },
  outcome,
  standings,
}: {
  check: Check
  outcome: Outcome
  standings: Standings
}): { state: DeliveryState; outcome: Outcome } | null {
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
  const news = Object.entries(after).filter(([course, standing]) => {
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
