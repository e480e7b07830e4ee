import type { EventDraft } from '../../queue/events.ts'
import { type CourseStanding, isWanted, type Line, lineOf, resultsOf, type Standing } from '../../sale/line.ts'
import type { Reason, ReasonCode } from '../../sale/types.ts'
import { describeOutcome, describeStandings } from '../../sale/words.ts'
import { accessEvents, type Changes, changesOf, isWatched } from './access.ts'
import type { Reported, Sought } from './reported.ts'
import { buyerIn, isWorthStoring, type Seen, type SeenAccount, standingAfter } from './standing.ts'

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000]

/** Whether the timeline should have a change: not if the course has what was reported, or still waits for an account. */
function isNews({ result: reported, standing: before }: Line, after: CourseStanding): boolean {
  if (after.moved && !before?.moved) return true
  if (before?.standing === after.standing || after.standing === 'no_account') return false
  return !(reported === 'enrolled' && after.standing === 'enrolled' && before === null)
}

/**
 * Why a pre-enrolled buyer will not get the course by waiting; null if they may. Only the courses that wait for the
 * buyer's account count.
 */
function reasonAgainst({ waiting, account }: { waiting: readonly Line[]; account: SeenAccount }): Reason | null {
  const first = (standing: Standing) => waiting.find((line) => line.standing?.standing === standing)?.course
  const unenrolled = first('unenrolled')
  if (unenrolled !== undefined) return { code: 'person.unenrolled', subject: unenrolled }
  if (account.status === 'other_account') return { code: 'person.other_account', subject: account.address }
  if (account.status === 'retired') return { code: 'person.retired', subject: '' }
  const missing = account.status === 'active' ? first('missing') : undefined
  return missing === undefined ? null : { code: 'enrollment.missing', subject: missing }
}

/** What was seen for a delivery, as it was read before. */
export interface Check extends Sought {
  readonly seen: Seen
  /** When the look-up began, ms since 1970: what others have stored since is kept. */
  readonly askedAt: number
}

interface Checked extends Pick<Reported, 'state' | 'reason'> {
  /** The courses in which a buyer who was pre-enrolled is by now, but not in the mode that was sold. */
  readonly lacking: readonly string[]
  /** The same list as before if nothing of it has to be stored. */
  readonly lines: readonly Line[]
  readonly changes: Changes
  readonly drafts: readonly EventDraft[]
}

interface Of extends Pick<Reported, 'reason' | 'lines'> {
  readonly check: Check
  readonly receivedAt: number
  readonly at: number
  /** The operator who asked for the check: it is then always stored, with an event. */
  readonly by: string | null
  /** The courses whose access may neither end nor come back: see blockedBy. */
  readonly blocked?: ReadonlySet<string>
}

const NO_COURSE = 'the LMS has none of its courses'

/**
 * What a check makes of a delivery. Only the state of a pre-enrolled buyer follows from what the LMS has: `enrolled` as
 * soon as every course is, or `needs_attention` if waiting can't help. Where only the mode that was sold is lacking, the
 * delivery has to start again. A buyer whose enrollment was missing, or who was unenrolled, and whom
 * somebody has put back since becomes enrolled too. In any other state, a check stores the standings, and of an enrolled
 * delivery, whose access has ended. `at` is the time of storing, ms since 1970.
 */
export function resultOfCheck(of: Of): Checked {
  const { check, reason, lines: before, by } = of
  const { id, state } = check.reported
  const isOutdated = check.courses.some((course) => (lineOf(before, course)?.standing?.checkedAt ?? 0) > check.askedAt)
  const seen = isOutdated ? before : linesSeen(of)
  const checked = { deliveryId: id, kind: 'checked', detail: describeStandings(seen) || NO_COURSE } as const
  const asked = by === null ? [] : [{ ...checked, actor: by }]
  const next = isOutdated ? null : nextState(of, seen)
  const changes = changesOf(before, seen)
  const access = accessEvents(id, changes, seen)
  if (next === null || next.state === state) {
    const news = [...access, ...(by === null ? newsOf(of, changes, seen) : [])]
    const lacking = isOutdated || state !== 'pre_enrolled' ? [] : lackingIn(of)
    const detail = `another course mode in ${lacking.join(', ')}`
    const started = lacking.length === 0 ? [] : [{ deliveryId: id, kind: 'repair_started', detail } as const]
    const after = { state, reason: next?.reason ?? reason, lines: next?.lines ?? seen }
    return { ...after, lacking, changes, drafts: [...asked, ...news, ...started] }
  }
  return { ...next, lacking: [], changes, drafts: [...asked, ...access, moveOf(of, next)] }
}

const lackingIn = ({ check: { courses, seen }, lines }: Of): string[] =>
  courses.filter((course) => lineOf(lines, course)?.result === 'allowed' && seen.rows.get(course)?.modePending)

/** Whether there is nothing to store, by the delivery as it was read. */
export function changesNothing(check: Check): boolean {
  const { reason, lines } = check.reported
  const after = resultOfCheck({ check, reason, lines, receivedAt: 0, at: 0, by: null })
  return after.lines === lines && after.reason === reason && after.lacking.length === 0
}

/** The lines with what was seen of them. Who is first seen enrolled in a course is its buyer from then on. */
function linesSeen(of: Of): readonly Line[] {
  const { lines, check } = of
  const seen = new Map<Line, Line>()
  for (const course of check.courses) {
    const line = lineOf(lines, course)
    const standing = line === undefined ? null : standingSeen(of, line, course)
    if (line === undefined || standing === null) continue
    const found = buyerIn(course, check.seen)
    const isBuyer = line.account === null && standing.standing === 'enrolled' && 'username' in found
    const buyer = isBuyer
      ? { account: { id: found.id, username: found.username }, claimed: line.result === 'allowed' }
      : {}
    seen.set(line, { ...line, course, standing, ...buyer })
  }
  return seen.size === 0 ? lines : lines.map((line) => seen.get(line) ?? line)
}

/** What to store of a course; null: nothing. */
function standingSeen(
  { check: { reported, seen, askedAt }, by, blocked }: Of,
  { standing: before }: Line,
  course: string,
): CourseStanding | null {
  const watched = isWatched(reported, course) ? { isBlocked: blocked?.has(course) ?? false } : null
  // A round doesn't tell where the account of somebody is who was enrolled, if the address is another one by now.
  if (watched !== null && seen.allowed === null && !isKnown(buyerIn(course, seen))) return null
  const after = standingAfter({ course, seen, before, watched, at: askedAt })
  return by !== null || isWorthStoring(before, after) ? after : null
}

const isKnown = ({ status }: SeenAccount): boolean => status !== 'unknown' && status !== 'other_account'

type Next = Pick<Reported, 'state' | 'reason' | 'lines'>

/** A look that finds the buyer in the course after all makes up for these. */
const OUT = ['enrollment.missing', 'person.unenrolled'] as const satisfies readonly ReasonCode[]

/** The state and the results if the check changes one of them; else null. `lines`: with what was seen. */
function nextState({ check: { reported, courses, seen }, reason: before }: Of, lines: readonly Line[]): Next | null {
  const { state } = reported
  const wasOut = state === 'needs_attention' && OUT.some((code) => code === before?.code)
  if (state !== 'pre_enrolled' && !wasOut) return null
  const waiting = lines.filter(
    (line) => line.result === 'allowed' || (wasOut && line.result === null && isWanted(line)),
  )
  if (!waiting.some(({ course }) => courses.includes(course))) return null // only what was enrolled before was looked up
  const rowOf = ({ course }: Line) => seen.rows.get(course)
  const isClaimed = (line: Line): boolean =>
    waiting.includes(line) && line.standing?.standing === 'enrolled' && (wasOut || !rowOf(line)?.modePending)
  const claimed = waiting.filter(isClaimed)
  // Where no call of ours is known to have made the row, somebody else has: see Line.gave.
  const after = lines.map((line) =>
    isClaimed(line) ? { ...line, result: 'enrolled' as const, gave: line.gave ?? false } : line,
  )
  if (claimed.length > 0 && claimed.length === waiting.length) {
    return { state: 'enrolled', reason: null, lines: after }
  }
  if (wasOut && claimed.length === 0) return null
  const reason = reasonAgainst({ waiting, account: seen.account }) ?? before
  if (reason !== null) return { state: 'needs_attention', reason, lines: after }
  return claimed.length === 0 ? null : { state, reason: null, lines: after }
}

/** The event of a delivery that changes its state. It names no course that the buyer has lost. */
function moveOf({ check: { reported }, receivedAt, at }: Of, { state, reason, lines }: Next): EventDraft {
  const kept = lines.filter(({ standing }) => standing?.endedAt === undefined)
  const detail = describeOutcome({ courses: resultsOf(kept), reason })
  if (state !== 'enrolled') return { deliveryId: reported.id, kind: 'needs_attention', detail }
  const timeToClaimMs = Math.max(0, at - receivedAt)
  return {
    deliveryId: reported.id,
    kind: 'claimed',
    detail: `${detail}, ${spanOf(timeToClaimMs)} after the sale`,
    timeToClaimMs,
  }
}

function newsOf({ check, lines: before }: Of, { ended, restored }: Changes, after: readonly Line[]): EventDraft[] {
  const news = after.filter((line, index) => {
    const { course, standing } = line
    const old = before[index]
    if (standing === null || old === undefined || ended.includes(course) || restored.includes(course)) return false
    return standing !== old.standing && isNews(old, standing)
  })
  if (news.length === 0) return []
  return [{ deliveryId: check.reported.id, kind: 'standing_changed', detail: describeStandings(news) }]
}

/** A span of time in its two largest units: `3 d 4 h`. */
function spanOf(ms: number): string {
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  if (ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)} min`
  return `${Math.floor(ms / DAY_MS)} d ${Math.floor((ms % DAY_MS) / HOUR_MS)} h`
}
