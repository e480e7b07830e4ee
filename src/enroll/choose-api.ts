import { modifyCanName } from '../lms/apis/instructor-enrollments.ts'
import type { Budget, Permit } from '../lms/client/budget.ts'
import type { Lms } from '../lms/lms.ts'
import { pause } from '../service/lib/pause.ts'
import { BATCH_PEOPLE, BATCH_PEOPLE_AT_MOST, type Batch, isSingly } from './batches.ts'
import type { CallChooser, ChosenCall } from './call-chooser.ts'
import type { InFlight } from './in-flight.ts'
import type { WorkFailure } from './work.ts'

/**
 * When the budget runs low, a batch of fewer than GOOD_BATCH people waits for more. It waits longer (up to GATHER_MS)
 * the less budget is left, so that a rush needs fewer calls.
 */
const SPARING_BELOW = 0.75
const GOOD_BATCH = 40
const GATHER_MS = 1500
/** The part of the budget that bulk_enroll leaves to the single APIs if enrollments/modify can do its work. */
const RESERVE = 1 / 3

/** How a call is made. `bulk` spends the permit. `none`: the call isn't made, since the LMS failed before it. */
export type Route =
  | { readonly kind: 'bulk'; readonly permit: Permit }
  | { readonly kind: 'modify' }
  | { readonly kind: 'single' }
  | { readonly kind: 'none'; readonly failure: WorkFailure }

/** A call in flight. */
export interface Call {
  readonly chosen: ChosenCall
  readonly route: Route
}

interface Choosing {
  readonly chooser: CallChooser
  readonly inFlight: Pick<InFlight, 'releaseLost'>
  readonly breaker: { readonly lms: Pick<Lms, 'bulkAvailable' | 'modifyAvailable'> }
  readonly budget: Budget
  readonly signal: AbortSignal
}

/**
 * Chooses the next call and the API for it; null if there is none to make now.
 * - With bulk_enroll and enrollments/modify, bulk_enroll is used while the call budget has plenty of permits, and modify
 *   otherwise, one course a call. So nobody who can be enrolled in a batch waits for the budget.
 * - With modify only, all batches go there.
 * - With bulk_enroll only, they go there, at the pace of the budget.
 * - With neither, everybody goes singly, at the pace of the budget.
 */
export async function chooseCall(choosing: Choosing): Promise<Call | null> {
  const { breaker, inFlight, chooser } = choosing
  const [bulk, modify] = await Promise.all([breaker.lms.bulkAvailable(), breaker.lms.modifyAvailable()])
  inFlight.releaseLost()
  if (!bulk.ok) {
    const chosen = chooser.choose({ scope: 'sets', people: BATCH_PEOPLE })
    return chosen && { chosen, route: { kind: 'none', failure: bulk.failure } }
  }
  if (modify.ok && modify.value) return withModify(choosing, bulk.value)
  return bulk.value ? withBulk(choosing) : single(chooser.choose({ scope: 'singles', people: 1 }))
}

const single = (chosen: ChosenCall | null): Call | null => chosen && { chosen, route: { kind: 'single' } }

async function withModify({ chooser, budget, signal }: Choosing, bulk: boolean): Promise<Call | null> {
  const permit = bulk ? budget.tryAcquire(RESERVE) : null
  if (permit !== null) {
    const chosen = chooser.choose({ scope: 'sets', people: BATCH_PEOPLE })
    if (chosen !== null && !isSingly(chosen.batch)) return { chosen, route: { kind: 'bulk', permit } }
    permit.release()
    return single(chosen)
  }
  const wanted = { scope: 'courses', people: BATCH_PEOPLE, mayBatch: modifyCanName } as const
  const chosen = hasPermit(budget) ? chooser.choose(wanted) : chooseSparing(chooser, wanted)
  if (chosen === null) return null
  if (isForModify(chosen.batch)) return { chosen, route: { kind: 'modify' } }
  if (!bulk || isSingly(chosen.batch)) return single(chosen)
  return { chosen, route: { kind: 'bulk', permit: await budget.acquire(signal) } }
}

const hasPermit = (budget: Budget): boolean => {
  const permit = budget.tryAcquire(0)
  permit?.release()
  return permit !== null
}

/** While the budget is empty, calls without a permit come first, and at most one slot waits for a permit. */
function chooseSparing(chooser: CallChooser, wanted: Parameters<CallChooser['choose']>[0]): ChosenCall | null {
  const batch = chooser.choose({ ...wanted, withoutSingles: true })
  return batch ?? (chooser.singleCalls() === 0 ? chooser.choose(wanted) : null)
}

function isForModify(batch: Batch): boolean {
  const [course, ...more] = batch.courses
  return !isSingly(batch) && course !== undefined && more.length === 0 && modifyCanName(course)
}

async function withBulk(choosing: Choosing): Promise<Call | null> {
  const { chooser, inFlight } = choosing
  const first = chooser.peek({ scope: 'sets', people: BATCH_PEOPLE })
  if (first === null) return null
  // No await in between: the choice is the one that was peeked at.
  if (isSingly(first)) return single(chooser.choose({ scope: 'sets', people: BATCH_PEOPLE }))
  const { permit, people } = await acquireEarly(choosing)
  inFlight.releaseLost()
  const chosen = chooser.choose({ scope: 'sets', people })
  if (chosen !== null && !isSingly(chosen.batch)) return { chosen, route: { kind: 'bulk', permit } }
  permit.release()
  return single(chosen)
}

/**
 * Gets the permit before the batch is chosen: during the wait for it, and while the budget runs low, the batch grows.
 */
async function acquireEarly({ chooser, budget, signal }: Choosing): Promise<{ permit: Permit; people: number }> {
  const permit = await budget.acquire(signal)
  const fullness = budget.fullness()
  if (fullness >= SPARING_BELOW) return { permit, people: BATCH_PEOPLE }
  const people = BATCH_PEOPLE_AT_MOST
  const isSmall = (chooser.peek({ scope: 'sets', people })?.works.length ?? 0) < GOOD_BATCH
  if (isSmall) await pause(GATHER_MS * (1 - fullness), signal)
  return { permit, people }
}
