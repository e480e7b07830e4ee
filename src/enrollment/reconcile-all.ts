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

/** `repaired`: null where nothing was tried. `words`: what came of a repair. */
export interface Reconciled extends Finding {
  readonly repaired: boolean | null
  readonly words: string
}

export interface Reconciliation {
  readonly deliveries: number
  readonly counts: Readonly<Record<Standing, number>>
  readonly repaired: number
  /** What kept it from going on; null: it went through all of them. */
  readonly failure: Failure | null
}

/** `acquire` draws on a part of the service's budget, so that both together stay below the LMS's throttle. */
interface Order extends CallContext {
  /** Aborted when the command is to end. */
  readonly signal: AbortSignal
  readonly operations: Pick<Operations, 'list'>
  /** Deliveries with activity since then, ms since 1970; null: all that are kept. */
  readonly since: number | null
  readonly fix: boolean
  /** Addresses in lower case whose allowances may be made again. */
  readonly named: ReadonlySet<string>
  /** Waits `ms`, or until the signal is aborted. */
  readonly sleep: (ms: number) => Promise<void>
  /** Told of each one that does not stand. */
  readonly onFinding: (finding: Reconciled) => Promise<void>
  /** Told after each delivery how many have been looked at. */
  readonly onProgress: (deliveries: number) => void
}

/**
 * Asks the LMS about everything that was reported as done, the newest first, and with `fix` enrolls whom it is right to
 * enroll. A throttle is waited for; any other failure of the LMS ends it, and what was found until then counts. Who
 * bought a course twice is asked about once.
 */
export async function reconcileAll(order: Order): Promise<Reconciliation> {
  const { operations, since, signal } = order
  const filter = { states: ['succeeded' as const], ...(since === null ? {} : { from: since }) }
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
        const failure = await reconcileOne(order, reported, (finding) => {
          counts[finding.standing]++
          if (finding.repaired) repaired++
        })
        if (failure !== null) return { deliveries, counts, repaired, failure }
      }
      order.onProgress(++deliveries)
    }
    after = page.next
  } while (after !== null)
  return { deliveries, counts, repaired, failure: null }
}

/** What of a delivery has not been asked about yet; null: nothing. */
function reportedIn({ id, email, outcome }: Summary, seen: Set<string>): Reported | null {
  if (email === null || outcome === null) return null
  const courses = Object.entries(outcome.courses).filter(([course]) => !seen.has(`${email.toLowerCase()} ${course}`))
  for (const [course] of courses) seen.add(`${email.toLowerCase()} ${course}`)
  return courses.length === 0 ? null : { deliveryId: id, email, courses: Object.fromEntries(courses) }
}

async function reconcileOne(
  order: Order,
  reported: Reported,
  count: (finding: Reconciled) => void,
): Promise<Failure | null> {
  const checked = await checkPatiently(order, reported)
  if ('failure' in checked) return checked.failure
  for (const finding of checked.findings) {
    const attempt = order.fix && isRepairable(finding, order) ? await repair({ ...order, finding }) : null
    const reconciled = { ...finding, repaired: attempt?.done ?? null, words: attempt?.words ?? '' }
    count(reconciled)
    if (finding.standing !== 'stands') await order.onFinding(reconciled)
  }
  return null
}

async function checkPatiently(order: Order, reported: Reported): ReturnType<typeof checkReported> {
  for (;;) {
    const checked = await checkReported({ ...order, reported })
    if (!('failure' in checked) || checked.failure.kind !== 'throttled' || order.signal.aborted) return checked
    await order.sleep(throttledFor(checked.failure))
  }
}
