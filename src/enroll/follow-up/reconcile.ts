import { acquireChecked, type Permit } from '../../lms/client/budget.ts'
import type { Failure, Judged } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import { auditedChange } from '../../queue/events.ts'
import { type CourseResult, isWanted, lineOf, resultsOf, type Standing } from '../../sale/line.ts'
import type { DeliveryState } from '../../sale/types.ts'
import { describeOutcome } from '../../sale/words.ts'
import { throttledFor } from '../breakers/breaker-state.ts'
import type { ModeOf } from '../course-mode.ts'
import { enrollSingly } from '../enroll-singly.ts'
import type { Acquire } from '../pair.ts'
import type { PairResult } from '../work.ts'
import { type Changing, changeFor } from './change.ts'
import { danglingIn, deleteDangling, deletedText } from './dangling.ts'
import { lookUpAll } from './look-up.ts'
import { type Reported, readReported, reportedInState } from './reported.ts'
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
  /** Whether a repair could help. */
  readonly repairable: boolean
  /** null if there was no repair. */
  readonly repaired: boolean | null
  /** A description of the result of the repair. */
  readonly words: string
}

export interface Reconciliation {
  readonly deliveries: number
  readonly counts: Readonly<Partial<Record<Found, number>>>
  readonly repaired: number
  /** How many could be repaired, and were not. */
  readonly unrepaired: number
  /** The failure that ended it early; null if it checked all deliveries. */
  readonly failure: Failure | null
}

interface ReconcileOptions extends Changing {
  readonly lms: Lms
  readonly modeOf: ModeOf
  readonly fix: boolean
  /** Lowercase addresses of people who may be enrolled or allowed whatever was reported. */
  readonly named: ReadonlySet<string>
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
 * Checks everything that was reported as done with the LMS, and stores the standings that it finds. With `fix`, repairs
 * what may be repaired; see reconcileChunk. Waits while the LMS throttles. Any other failure of the LMS ends it early,
 * with the findings so far. A course that a person bought twice is counted once.
 */
export async function reconcile(options: ReconcileOptions): Promise<Reconciliation> {
  const { since, signal } = options
  const counted = new Set<string>()
  const counts: Partial<Record<Found, number>> = {}
  let [passed, deliveries, repaired, unrepaired] = [0, 0, 0, 0]
  const count = (finding: Finding): void => {
    const key = `${finding.email.toLowerCase()} ${finding.course}`
    if (counted.has(key)) return
    counted.add(key)
    counts[finding.standing] = (counts[finding.standing] ?? 0) + 1
    if (finding.repaired) repaired++
    else if (finding.repairable) unrepaired++
    if (!isAsExpected(finding)) options.onFinding(finding)
  }
  const ended = (failure: Failure | null): Reconciliation => ({ deliveries, counts, repaired, unrepaired, failure })
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
        passed += chunk.length
        options.onProgress(passed)
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
 * Checks deliveries, stores what it finds and, with `fix`, repairs: it enrolls who was reported as enrolled and has an
 * account without an enrollment, or whom the operator named, and deletes dangling allowances. It leaves everybody else
 * alone: an allowance may have been deleted as a refund. A delivery that doesn't want the course any more is left alone
 * too; see changeFor.
 */
async function reconcileChunk(
  options: ReconcileOptions,
  deliveries: readonly Reported[],
): Promise<{ findings: Finding[]; failure: Failure | null }> {
  const checks = await checkPatiently(options, deliveries)
  if (!checks.ok) return { findings: [], failure: checks.failure }
  const findings: Finding[] = []
  const repaired = new Set<string>()
  for (const { reported, seen } of checks.value) {
    const gone = await danglingIn({ lms: options.lms, reported, seen })
    if (!gone.ok) return { findings, failure: gone.failure }
    for (const finding of findingsOf(reported, seen, gone.value)) {
      const attempted = mayRepair(options, finding) ? await repairOne(options, reported, finding) : finding
      if (attempted.repaired && finding.standing !== 'dangling') repaired.add(reported.id)
      findings.push(attempted)
    }
  }
  if (repaired.size > 0) await checkPatiently(options, await readReported(options.context.database.db, [...repaired]))
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
    const checks = await lookUpAll(asking, { sought, follows: false })
    if (checks.ok) {
      await storeChecks(context, { checks: checks.value, guard })
      return checks
    }
    if (checks.failure.kind !== 'throttled' || signal.aborted) return checks
    await sleep(throttledFor(checks.failure))
  }
}

function findingsOf({ id, email, lines }: Reported, seen: Seen, dangling: readonly string[]): Finding[] {
  const hasAccount = 'username' in seen.account
  const wanted = lines.filter(isWanted)
  return Object.entries(resultsOf(lines)).map(([course, reported]) => {
    const standing = dangling.includes(course) ? 'dangling' : standingIn(course, seen).standing
    // What is missing of an account that left the address is not made for whoever has it now, nor what was to be withdrawn.
    const mayBeMade = !seen.left.has(course) && wanted.some((line) => line.course === course)
    const repairable =
      standing === 'dangling' || (standing === 'missing' && mayBeMade && (hasAccount || reported === 'allowed'))
    return { deliveryId: id, email, course, reported, standing, repairable, repaired: null, words: '' }
  })
}

/** A missing allowance may have been deleted on purpose, even before the person registered: only the operator knows. */
function mayRepair({ fix, named }: ReconcileOptions, { repairable, standing, reported, email }: Finding): boolean {
  if (!fix || !repairable) return false
  return standing === 'dangling' || reported === 'enrolled' || named.has(email.toLowerCase())
}

/**
 * Enrolls the person of a finding again, or deletes the dangling allowance. A person who was unenrolled stays unenrolled,
 * unless an allowance was reported: that is repaired only for people whom the operator named. A paid mode isn't given back.
 */
async function repairOne(options: ReconcileOptions, reported: Reported, finding: Finding): Promise<Finding> {
  const { lms, modeOf } = options
  const { course, email, standing } = finding
  const person = { lms, email, course, stored: lineOf(reported.lines, course)?.account ?? null, wasDone: true }
  const prior = finding.reported === 'allowed' ? 'unasked' : 'effect_unknown'
  const change = (acquire: Acquire): Promise<PairResult> =>
    standing === 'dangling'
      ? deleteDangling({ ...options, acquire, reported, course })
      : enrollSingly({ ...person, acquire, mode: modeOf(course), prior })
  const attempted = { ...finding, ...attemptOf(finding, await changeFor(options, { reported, course, change })) }
  if (attempted.repaired && standing !== 'dangling') {
    const event = { deliveryId: reported.id, kind: 'repaired', detail: attempted.words, actor: options.by } as const
    await auditedChange(options.context, async () => ({ result: null, listed: [event] }))
  }
  return attempted
}

/** What came of a repair; of null, see changeFor. */
function attemptOf({ course, standing }: Finding, result: PairResult | null): Pick<Finding, 'repaired' | 'words'> {
  if (result === null) return { repaired: false, words: 'it has changed in the meantime: run reconcile again' }
  if (standing === 'dangling') {
    const isDeleted = result.kind !== 'failure'
    return { repaired: isDeleted, words: isDeleted ? deletedText(course) : result.failure.message }
  }
  if (result.kind !== 'failure' && result.result !== undefined) {
    const reason = result.kind === 'reason' ? result.reason : null
    return { repaired: true, words: describeOutcome({ courses: { [course]: result.result }, reason }) }
  }
  const why =
    result.kind === 'failure' ? result.failure.message : `${result.reason.code} ${result.reason.subject}`.trim()
  return { repaired: false, words: `${course}: ${why}` }
}
