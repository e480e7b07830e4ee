import type { Failure } from '../../lms/client/failure.ts'
import type { DeliveryState } from '../../sale/types.ts'
import { createDanglingCheck } from './dangling.ts'
import { type ChunkOptions, type Finding, type Found, reconcileChunk } from './reconcile-chunk.ts'
import { reportedInState } from './reported.ts'

/** In an order in which no delivery is met twice: a check moves one only to a state before its own. */
const STATES = ['enrolled', 'needs_attention', 'pre_enrolled'] as const satisfies readonly DeliveryState[]

export interface Reconciliation {
  readonly deliveries: number
  readonly counts: Readonly<Partial<Record<Found, number>>>
  readonly repaired: number
  /** How many could be repaired, and were not. */
  readonly unrepaired: number
  /** The failure that ended it early; null if it checked all deliveries. */
  readonly failure: Failure | null
}

interface ReconcileOptions extends Omit<ChunkOptions, 'dangling'> {
  /** Only deliveries with activity since then (ms since 1970), or null for all. */
  readonly since: number | null
  /** Receives each course that needs an operator. */
  readonly onFinding: (finding: Finding) => void
  /** Receives the number of checked deliveries, after each chunk. */
  readonly onProgress: (deliveries: number) => void
}

/**
 * Checks everything that was reported as done with the LMS, and stores the standings that it finds. With `fix`, repairs
 * what may be repaired; see reconcileChunk. Waits while the LMS throttles. Any other failure of the LMS ends it early,
 * with the findings so far. A course that a person bought twice is counted once.
 */
export async function reconcile(options: ReconcileOptions): Promise<Reconciliation> {
  const { context, lms, since, signal } = options
  const counted = new Set<string>()
  const counts: Partial<Record<Found, number>> = {}
  let [deliveries, repaired, unrepaired] = [0, 0, 0]
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
  const dangling = createDanglingCheck({ lms })
  for (const state of STATES) {
    const stream = reportedInState({ db: context.database.db, guard: (work) => work(), state, since })
    for await (const chunk of stream) {
      const mine = chunk.filter(
        ({ outcome }) => state !== 'needs_attention' || outcome.reason?.code === 'enrollment.missing',
      )
      const result = await orAborted(signal, () => reconcileChunk({ ...options, dangling }, mine))
      if (result === null) return ended(null)
      result.findings.forEach(count)
      if (result.failure !== null) return ended(result.failure)
      deliveries += mine.length
      options.onProgress(deliveries)
    }
  }
  return ended(null)
}

/** Whether an operator has nothing to do: the buyer has the course, or gets it with an active account. */
const isAsExpected = ({ standing }: Finding): boolean =>
  standing === 'enrolled' || standing === 'no_account' || standing === 'not_activated'

/** null if the signal is aborted, which can make the work reject. */
async function orAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | null> {
  if (signal.aborted) return null
  try {
    return await work()
  } catch (error) {
    if (signal.aborted) return null
    throw error
  }
}
