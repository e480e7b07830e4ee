import { type Batch, isDoubtful, isSingly, nextBatch, type Scope } from './batches.ts'
import type { CourseBreakers } from './breakers/course-breakers.ts'
import type { InFlight } from './in-flight.ts'
import type { Work } from './work.ts'

/** Doubtful calls get a turn this often (ms), however many others there are. */
const DOUBTFUL_TURN_MS = 5_000

/** A batch whose call is in flight: no other call takes its works. */
export interface ChosenCall {
  readonly batch: Batch
  /** Whether no sender waits for it. */
  readonly isBacklog: boolean
  /** Ends the call: what is still open of its works can be chosen again. */
  end(): void
  /** Ends the pause after a call for the backlog. */
  endPause(): void
}

export interface CallChooser {
  /** The next call to make; null if there is none, or if it has to wait for one in flight. */
  peek(of: Wanted): Batch | null
  /** Chooses the next call and reserves its works in the same step, so that no other call can take them. */
  choose(of: Wanted): ChosenCall | null
  /** How many calls in flight go through the single APIs. */
  singleCalls(): number
}

/** What the next call may be: see nextBatch. `people`: the most people in it. */
interface Wanted {
  readonly scope: Scope
  readonly people: number
  readonly mayBatch?: (course: string) => boolean
  readonly withoutSingles?: boolean
}

/**
 * Chooses calls for the works in flight. It allows one call for the backlog at a time, and one doubtful call, which
 * leaves the other slots to healthy sales.
 */
export function createCallChooser({
  inFlight,
  breakers,
  isAwaited,
  now,
}: {
  inFlight: Pick<InFlight, 'idle' | 'beginCall' | 'endCall'>
  breakers: CourseBreakers
  isAwaited: (work: Work) => boolean
  /** ms since 1970 */
  now: () => number
}): CallChooser {
  let backlogCalls = 0
  let doubtfulCalls = 0
  let singleCalls = 0
  let doubtfulAt = performance.now()

  const peek = (wanted: Wanted): Batch | null =>
    nextBatch({
      ...wanted,
      works: backlogCalls > 0 ? inFlight.idle().filter(isAwaited) : inFlight.idle(),
      now: now(),
      isAwaited,
      healthOf: breakers.healthOf,
      withoutDoubtful: doubtfulCalls > 0,
      suspectsFirst: performance.now() - doubtfulAt >= DOUBTFUL_TURN_MS,
    })

  return {
    peek,
    singleCalls: () => singleCalls,
    choose: (wanted) => {
      const batch = peek(wanted)
      if (batch === null) return null
      const isBacklog = !batch.works.some(isAwaited)
      const doubtful = isDoubtful(batch, breakers.healthOf)
      const isSingle = isSingly(batch) || !batch.courses.every(wanted.mayBatch ?? (() => true))
      if (isBacklog) backlogCalls++
      if (doubtful) doubtfulCalls++
      if (isSingle) singleCalls++
      if (doubtful) doubtfulAt = performance.now()
      breakers.beginCall(batch.courses)
      inFlight.beginCall(batch.works)
      return {
        batch,
        isBacklog,
        end: () => {
          if (doubtful) doubtfulCalls--
          if (isSingle) singleCalls--
          breakers.endCall(batch.courses)
          inFlight.endCall(batch.works)
        },
        endPause: () => {
          if (isBacklog) backlogCalls--
        },
      }
    },
  }
}
