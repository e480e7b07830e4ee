import { acquireChecked, type Permit } from '../../lms/client/budget.ts'
import { type Failure, type Judged, succeeded } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import { auditedChange } from '../../queue/events.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { startRepair } from '../../queue/replay.ts'
import { type CourseResult, coursesWith, isWanted, isWithdrawing, resultsOf, type Standing } from '../../sale/line.ts'
import { type DeliveryState, isStopped } from '../../sale/types.ts'
import type { Background } from '../../service/lib/loop.ts'
import { throttledFor } from '../breakers/breaker-state.ts'
import { type Asking, lookUpAll } from './look-up.ts'
import { lockReported, type Reported, reportedInState } from './reported.ts'
import type { Check } from './result.ts'
import { type Seen, standingIn } from './standing.ts'
import { storeChecks } from './store-checks.ts'

/** In an order in which no delivery is met twice: a check moves one only to a state before its own. */
export const RECONCILED = ['enrolled', 'needs_attention', 'pre_enrolled'] as const satisfies readonly DeliveryState[]

/** `dangling`: the LMS has an allowance for the course, but not the course. */
export type Found = Standing | 'dangling'

/** What the LMS has for one course of a delivery. */
export interface Finding {
  readonly deliveryId: string
  readonly email: string
  readonly course: string
  readonly reported: CourseResult
  readonly standing: Found
  /** Whether an operator can give the buyer what is lacking. */
  readonly repairable: boolean
  /** Whether a repair was started, which the service carries out. */
  readonly repairing: boolean
}

export interface Reconciliation {
  readonly deliveries: number
  /** How many others there were that had given no course: there was nothing to check. */
  readonly empty: number
  readonly counts: Readonly<Partial<Record<Found, number>>>
  /** How many are repaired now. */
  readonly repairing: number
  /** How many could be repaired, and are not. */
  readonly unrepaired: number
  /** The failure that ended it early; null if it checked all deliveries. */
  readonly failure: Failure | null
}

interface ReconcileOptions
  extends Pick<Background, 'guard' | 'signal'>,
    Pick<AppContext, 'context'>,
    Pick<Asking, 'acquire' | 'modeOf'> {
  readonly lms: Lms
  readonly fix: boolean
  /** The actor of the repairs. */
  readonly by: string
  /** Waits `ms`, or until the signal is aborted. */
  readonly sleep: (ms: number) => Promise<void>
  /** Only deliveries with activity since then (ms since 1970), or null for all. */
  readonly since: number | null
  /** Receives each course that needs an operator. */
  readonly onFinding: (finding: Finding) => void
  /** Receives how many of the deliveries in RECONCILED states it has passed, also without a check, after each chunk. */
  readonly onProgress: (deliveries: number) => void
}

/**
 * Checks everything that was reported as done with the LMS, and stores the standings that it finds. With `fix`, starts the
 * repair of what may be repaired; see reconcileChunk. Waits while the LMS throttles. Any other failure of the LMS ends it
 * early, with the findings so far. A course that a person bought twice is counted once.
 */
export async function reconcile(options: ReconcileOptions): Promise<Reconciliation> {
  const { since, signal } = options
  const counted = new Set<string>()
  const counts: Partial<Record<Found, number>> = {}
  let [deliveries, empty, repairing, unrepaired] = [0, 0, 0, 0]
  const count = (finding: Finding): void => {
    const key = `${finding.email.toLowerCase()} ${finding.course}`
    if (counted.has(key)) return
    counted.add(key)
    counts[finding.standing] = (counts[finding.standing] ?? 0) + 1
    if (finding.repairing) repairing++
    else if (finding.repairable) unrepaired++
    if (!isAsExpected(finding)) options.onFinding(finding)
  }
  const ended = (failure: Failure | null): Reconciliation => ({
    deliveries,
    empty,
    counts,
    repairing,
    unrepaired,
    failure,
  })
  try {
    for (const state of RECONCILED) {
      for await (const chunk of reportedInState(options, { state, since })) {
        if (signal.aborted) return ended(null)
        // One that needs attention may have enrolled its buyer in another course.
        const mine = chunk.filter(({ lines }) => lines.some(({ result }) => result !== null))
        const { findings, failure } = await reconcileChunk(options, mine)
        findings.forEach(count)
        if (failure !== null) return ended(failure)
        deliveries += mine.length
        empty += chunk.length - mine.length
        options.onProgress(deliveries + empty)
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error // the signal can make a call reject
  }
  return ended(null)
}

/** Whether an operator has nothing to do: the buyer has the course, or gets it with an active account. */
const isAsExpected = ({ standing }: Finding): boolean =>
  standing === 'enrolled' || standing === 'no_account' || standing === 'not_activated'

/**
 * Checks deliveries, stores what it finds and, with `fix`, starts the repair of who was reported as enrolled and has an
 * account without an enrollment. It leaves everybody else alone: an allowance may have been deleted as a refund.
 */
async function reconcileChunk(
  options: ReconcileOptions,
  deliveries: readonly Reported[],
): Promise<{ findings: Finding[]; failure: Failure | null }> {
  const checks = await checkPatiently(options, deliveries)
  if (!checks.ok) return { findings: [], failure: checks.failure }
  const findings: Finding[] = []
  for (const { reported, seen } of checks.value) {
    const gone = await danglingIn(options.lms, reported, seen)
    if (!gone.ok) return { findings, failure: gone.failure }
    const found = findingsOf(reported, seen, gone.value)
    const isLacking = (one: (typeof found)[number]): boolean =>
      one.repairable && one.standing === 'missing' && one.reported === 'enrolled'
    const courses = found.filter(isLacking).map(({ course }) => course)
    const isStarted = options.fix && courses.length > 0 && (await repair(options, reported, courses))
    findings.push(...found.map((one) => ({ ...one, repairing: isStarted && isLacking(one) })))
  }
  return { findings, failure: null }
}

/** Looks up what the LMS has for these people, and stores it. */
async function checkPatiently(
  { context, guard, lms, modeOf, signal, sleep, ...options }: ReconcileOptions,
  deliveries: readonly Reported[],
): Promise<Judged<Check[]>> {
  const beforeCall = async (): Promise<void> => signal.throwIfAborted()
  const acquire = (): Promise<Permit> => acquireChecked(options.acquire, beforeCall)
  const asking = { lms, acquire, modeOf, beforeCall, now: context.now }
  const sought = deliveries.map((reported) => ({ reported, courses: Object.keys(resultsOf(reported.lines)) }))
  for (;;) {
    const checks = await lookUpAll(asking, sought)
    if (checks.ok) {
      await storeChecks(context, { checks: checks.value, guard })
      return checks
    }
    if (checks.failure.kind !== 'throttled' || signal.aborted) return checks
    await sleep(throttledFor(checks.failure))
  }
}

/**
 * The courses of a delivery whose allowance dangles: the LMS has no such course. Nobody can activate an account with the
 * address of such an allowance, because the LMS fails (recorded: lms-newer/paid-modes.json, 'SURPRISE: activation with a
 * dangling allowance …'). Looks each course up now, because somebody may have just created it again.
 */
async function danglingIn(
  lms: Pick<Lms, 'course'>,
  { lines }: Reported,
  { allowed, rows }: Seen,
): Promise<Judged<string[]>> {
  const dangling: string[] = []
  for (const course of coursesWith('allowed', lines).filter((one) => !rows.has(one) && allowed?.has(one))) {
    const found = await lms.course(course)
    if (!found.ok) return found
    if (found.value === null) dangling.push(course)
  }
  return succeeded(dangling)
}

function findingsOf(
  { id, email, lines }: Reported,
  seen: Seen,
  dangling: readonly string[],
): Omit<Finding, 'repairing'>[] {
  const hasAccount = 'username' in seen.account
  const wanted = lines.filter(isWanted)
  return Object.entries(resultsOf(lines)).map(([course, reported]) => {
    const standing = dangling.includes(course) ? 'dangling' : standingIn(course, seen).standing
    // What is missing of an account that left the address is not made for whoever has it now, nor what was to be withdrawn.
    const mayBeMade = !seen.left.has(course) && wanted.some((line) => line.course === course)
    const repairable =
      standing === 'dangling' || (standing === 'missing' && mayBeMade && (hasAccount || reported === 'allowed'))
    return { deliveryId: id, email, course, reported, standing, repairable }
  })
}

/**
 * Starts the repair of these courses, unless the delivery was sent again, replayed, handled, withdrawn or erased since it was
 * read, or somebody is to be taken out of one of its courses.
 */
function repair(
  { context, by }: ReconcileOptions,
  { id, generation }: Reported,
  courses: readonly string[],
): Promise<boolean> {
  return auditedChange(context, async (writing) => {
    const [row] = await lockReported(writing, [id])
    const isSame = row !== undefined && row.generation === generation && row.state !== 'queued' && !isStopped(row.state)
    if (!isSame || row.lines.some(isWithdrawing)) return { result: false, listed: [] }
    await startRepair(writing, { id, courses })
    return { result: true, listed: [{ deliveryId: id, kind: 'repair_started', detail: courses.join(', '), actor: by }] }
  })
}
