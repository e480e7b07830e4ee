import { DONE_STATES } from '../delivery/types.ts'
import type { Failure } from '../openedx/failure.ts'
import type { Operations, Summary } from '../operations/operations.ts'
import { throttledFor } from './breaker-state.ts'
import type { CallContext } from './pair.ts'
import { checkReported, type Finding, isRepairable, type Reported, repair, type Standing } from './reconcile.ts'

const PAGE = 200
const NONE: Readonly<Record<Standing, number>> = {
  stands: 0,
  unenrolled: 0,
  missing: 0,
  allowance_missing: 0,
  account_gone: 0,
  retired: 0,
  other_account: 0,
  unclear: 0,
}

/** `repaired`: null if there was no repair. `words`: a description of the result of the repair. */
export interface Reconciled extends Finding {
  readonly repaired: boolean | null
  readonly words: string
}

export interface Reconciliation {
  readonly deliveries: number
  readonly counts: Readonly<Record<Standing, number>>
  readonly repaired: number
  /** The failure that ended it early; null if it checked all deliveries. */
  readonly failure: Failure | null
}

/** `acquire` uses a part of the service's call budget, so that both together stay below the LMS's throttle. */
interface ReconcileOptions extends CallContext {
  /** Aborted when the command has to end. */
  readonly signal: AbortSignal
  readonly operations: Pick<Operations, 'list'>
  /** Only deliveries with activity since then (ms since 1970), or null for all. */
  readonly since: number | null
  readonly fix: boolean
  /** Lowercase addresses whose allowances may be made again. */
  readonly named: ReadonlySet<string>
  /** Waits `ms`, or until the signal is aborted. */
  readonly sleep: (ms: number) => Promise<void>
  /** Receives each enrollment or allowance that doesn't stand. */
  readonly onFinding: (finding: Reconciled) => Promise<void>
  /** Receives the number of checked deliveries, after each one. */
  readonly onProgress: (deliveries: number) => void
}

/**
 * Checks everything that was reported as done with the LMS, the newest first. With `fix`, repairs what may be repaired.
 * Waits while the LMS throttles. Any other failure of the LMS ends the check early, and the result has the findings so
 * far. A person who bought a course twice is checked once.
 */
export async function reconcileAll(options: ReconcileOptions): Promise<Reconciliation> {
  const { operations, since, signal } = options
  const filter = { states: [...DONE_STATES], ...(since === null ? {} : { from: since }) }
  const counts: Record<Standing, number> = { ...NONE }
  const seen = new Set<string>()
  let [deliveries, repaired] = [0, 0]
  let after: string | null = null
  do {
    const page: Awaited<ReturnType<Operations['list']>> = await operations.list({ filter, limit: PAGE, after })
    for (const summary of page.items) {
      if (signal.aborted) return { deliveries, counts, repaired, failure: null }
      const reported = reportedIn(summary, seen)
      if (reported !== null) {
        const failure = await reconcileOne(options, reported, (finding) => {
          counts[finding.standing]++
          if (finding.repaired) repaired++
        })
        if (failure !== null) return { deliveries, counts, repaired, failure }
      }
      options.onProgress(++deliveries)
    }
    after = page.next
  } while (after !== null)
  return { deliveries, counts, repaired, failure: null }
}

/** The results of a delivery that have not been checked yet; null if there are none. */
function reportedIn({ id, email, outcome }: Summary, seen: Set<string>): Reported | null {
  if (email === null || outcome === null) return null
  const courses = Object.entries(outcome.courses).filter(([course]) => !seen.has(`${email.toLowerCase()} ${course}`))
  for (const [course] of courses) seen.add(`${email.toLowerCase()} ${course}`)
  return courses.length === 0 ? null : { deliveryId: id, email, courses: Object.fromEntries(courses) }
}

async function reconcileOne(
  options: ReconcileOptions,
  reported: Reported,
  count: (finding: Reconciled) => void,
): Promise<Failure | null> {
  const checked = await checkPatiently(options, reported)
  if ('failure' in checked) return checked.failure
  for (const finding of checked.findings) {
    const attempt = options.fix && isRepairable(finding, options) ? await repair({ ...options, finding }) : null
    const reconciled = { ...finding, repaired: attempt?.done ?? null, words: attempt?.words ?? '' }
    count(reconciled)
    if (finding.standing !== 'stands') await options.onFinding(reconciled)
  }
  return null
}

async function checkPatiently(options: ReconcileOptions, reported: Reported): ReturnType<typeof checkReported> {
  for (;;) {
    const checked = await checkReported({ ...options, reported })
    if (!('failure' in checked) || checked.failure.kind !== 'throttled' || options.signal.aborted) return checked
    await options.sleep(throttledFor(checked.failure))
  }
}
