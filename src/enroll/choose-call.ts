import { modifyCanName } from '../lms/apis/instructor-enrollments.ts'
import type { Budget, Permit } from '../lms/client/budget.ts'
import type { Judged } from '../lms/client/failure.ts'
import type { Lms } from '../lms/lms.ts'
import { pause } from '../service/lib/loop.ts'
import {
  BATCH_PEOPLE,
  BATCH_PEOPLE_AT_MOST,
  type Batch,
  isDoubtful,
  isSingly,
  nextBatch,
  type Scope,
} from './batches.ts'
import type { CourseBreakers } from './breakers/course-breakers.ts'
import type { InFlight } from './in-flight.ts'
import type { Work } from './work.ts'

/**
 * When the budget runs low, a batch of fewer than GOOD_BATCH people waits for more. It waits longer (up to GATHER_MS)
 * the less budget is left, so that a rush needs fewer calls.
 */
const SPARING_BELOW = 0.75
const GOOD_BATCH = 40
const GATHER_MS = 1500
/** The part of the budget that bulk_enroll leaves to the single APIs, and to createTurns, if enrollments/modify can do its work. */
const RESERVE = 1 / 3

/** How a call is made. `bulk` spends the permit. */
export type Route =
  | { readonly kind: 'bulk'; readonly permit: Permit }
  | { readonly kind: 'modify' }
  | { readonly kind: 'single' }

/** A call in flight. */
export type Call = ChosenCall & { readonly route: Route }

interface Choosing {
  readonly chooser: CallChooser
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
 * While the LMS doesn't tell whether it has an API, what it told last counts, because the single APIs refuse some courses for
 * good; an API that it never told of counts as missing. If the LMS is down, the next call shows it.
 */
export async function chooseCall(choosing: Choosing): Promise<Call | null> {
  const { breaker, chooser } = choosing
  const [bulk, modify] = await Promise.all([breaker.lms.bulkAvailable(), breaker.lms.modifyAvailable()])
  const hasBulk = chooser.has('bulk', bulk)
  if (chooser.has('modify', modify)) return withModify(choosing, hasBulk)
  return hasBulk ? withBulk(choosing) : single(chooser.choose({ scope: 'singles' }))
}

const single = (chosen: ChosenCall | null): Call | null => chosen && { ...chosen, route: { kind: 'single' } }

async function withModify({ chooser, budget, signal }: Choosing, bulk: boolean): Promise<Call | null> {
  const permit = bulk ? budget.tryAcquire(RESERVE) : null
  if (permit !== null) return withPermit(chooser, permit)
  const free = budget.tryAcquire(0)
  free?.release()
  const chosen = free === null ? chooseSparing(chooser) : chooser.choose({ scope: 'courses' })
  if (chosen === null) return null
  if (isForModify(chosen.batch)) return { ...chosen, route: { kind: 'modify' } }
  if (!bulk || isSingly(chosen.batch)) return single(chosen)
  return { ...chosen, route: { kind: 'bulk', permit: await budget.acquire(signal) } }
}

/** Chooses a call that is made with this permit, or gives the permit back. */
function withPermit(chooser: CallChooser, permit: Permit, people = BATCH_PEOPLE): Call | null {
  const chosen = chooser.choose({ scope: 'sets', people })
  if (chosen !== null && !isSingly(chosen.batch)) return { ...chosen, route: { kind: 'bulk', permit } }
  permit.release()
  return single(chosen)
}

/** While the budget is empty, calls without a permit come first, and at most one slot waits for a permit. */
function chooseSparing(chooser: CallChooser): ChosenCall | null {
  const batch = chooser.choose({ scope: 'courses', withoutSingles: true })
  return batch ?? (chooser.singleCalls() === 0 ? chooser.choose({ scope: 'courses' }) : null)
}

const isForModify = (batch: Batch): boolean => !isSingly(batch) && batch.courses.every(modifyCanName)

/**
 * Gets the permit before the batch is chosen: during the wait for it, and while the budget runs low, the batch grows.
 */
async function withBulk({ chooser, budget, signal }: Choosing): Promise<Call | null> {
  const first = chooser.peek({ scope: 'sets' })
  // No await in between: the choice is the one that was peeked at.
  if (first === null || isSingly(first)) return single(chooser.choose({ scope: 'sets' }))
  const permit = await budget.acquire(signal)
  const fullness = budget.fullness()
  if (fullness >= SPARING_BELOW) return withPermit(chooser, permit)
  const people = BATCH_PEOPLE_AT_MOST
  const isSmall = (chooser.peek({ scope: 'sets', people })?.works.length ?? 0) < GOOD_BATCH
  if (isSmall) await pause(GATHER_MS * (1 - fullness), signal)
  return withPermit(chooser, permit, people)
}

/** Doubtful calls get a turn this often (ms), however many others there are. */
const DOUBTFUL_TURN_MS = 5_000

/** What the next call may be: see nextBatch. `people`: the most people in it, if it may have more than usual. */
interface Wanted {
  readonly scope: Scope
  readonly people?: number
  readonly withoutSingles?: boolean
}

interface ChooserOptions {
  readonly inFlight: Pick<InFlight, 'idle' | 'beginCall' | 'endCall'>
  readonly breakers: CourseBreakers
  readonly isAwaited: (work: Work) => boolean
  /** ms since 1970 */
  readonly now: () => number
}

/**
 * Chooses calls for the works in flight. It allows one call for the backlog at a time, and one doubtful call, which
 * leaves the other slots to healthy sales.
 */
export function createCallChooser({ inFlight, breakers, isAwaited, now }: ChooserOptions) {
  let backlogCalls = 0
  let doubtfulCalls = 0
  let singleCalls = 0
  let doubtfulAt = performance.now()
  const has = { bulk: false, modify: false }

  /** The next call to make; null if there is none, or if it has to wait for one in flight. */
  const peek = (wanted: Wanted): Batch | null =>
    nextBatch({
      ...wanted,
      works: backlogCalls > 0 ? inFlight.idle().filter(isAwaited) : inFlight.idle(),
      now: now(),
      isAwaited,
      healthOf: breakers.healthOf,
      doubtful: doubtfulCalls > 0 ? 'never' : performance.now() - doubtfulAt >= DOUBTFUL_TURN_MS ? 'first' : 'last',
    })

  return {
    peek,
    /** Whether the LMS has an API, by what it tells now, or else by what it told last. */
    has: (api: keyof typeof has, told: Judged<boolean>): boolean => {
      if (told.ok) has[api] = told.value
      return has[api]
    },
    /** How many calls in flight go through the single APIs. */
    singleCalls: (): number => singleCalls,
    /** Chooses the next call and reserves its works in the same step, so that no other call can take them. */
    choose: (wanted: Wanted) => {
      const batch = peek(wanted)
      if (batch === null) return null
      const isBacklog = !batch.works.some(isAwaited)
      const doubtful = isDoubtful(batch, breakers.healthOf)
      const isSingle = wanted.scope === 'courses' ? !isForModify(batch) : isSingly(batch)
      if (isBacklog) backlogCalls++
      if (doubtful) doubtfulCalls++
      if (isSingle) singleCalls++
      if (doubtful) doubtfulAt = performance.now()
      breakers.beginCall(batch.courses)
      inFlight.beginCall(batch.works)
      return {
        batch,
        /** Whether no sender waits for it. */
        isBacklog,
        /** Ends the call: what is still open of its works can be chosen again. */
        end: (): void => {
          if (doubtful) doubtfulCalls--
          if (isSingle) singleCalls--
          breakers.endCall(batch.courses)
          inFlight.endCall(batch.works)
        },
        /** Ends the pause after a call for the backlog. */
        endPause: (): void => {
          if (isBacklog) backlogCalls--
        },
      }
    },
  }
}
export type CallChooser = ReturnType<typeof createCallChooser>
/** A batch whose call is in flight: no other call takes its works. */
type ChosenCall = NonNullable<ReturnType<CallChooser['choose']>>
