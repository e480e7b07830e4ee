import { type Batch, isDoubtful, nextBatch } from './batches.ts'
import type { CourseBreakers } from './course-breakers.ts'
import type { InFlight } from './in-flight.ts'
import type { Work } from './work.ts'

/** However many others there are, those that may fail have a turn this often (ms). */
const DOUBTFUL_TURN_MS = 5_000

/** A batch whose call is under way: no other call takes its works. */
export interface Taken {
  readonly batch: Batch
  /** Nobody waits for it. */
  readonly isBacklog: boolean
  /** The call has ended: what is still open of its works can be chosen again. */
  end(): void
  /** The pause after a call for the backlog has ended. */
  endPause(): void
}

export interface Chooser {
  /** The next call to make; null if there is none, or it has to wait for one under way. */
  peek(of: Wanted): Batch | null
  /** Chooses the next call and, in the same moment, takes its works out of what others choose from. */
  take(of: Wanted): Taken | null
}

/** `bulk`: whether the LMS has bulk_enroll; `people`: at most so many in a call. */
interface Wanted {
  readonly bulk: boolean
  readonly people: number
}

/**
 * Chooses calls for the works in hand. Of those for the backlog there is one at a time, and of those that may fail
 * as well, so that the other slots are left to healthy sales.
 */
export function createChooser({
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
}): Chooser {
  let backlogCalls = 0
  let doubtfulCalls = 0
  let doubtfulAt = performance.now()

  const peek = ({ bulk, people }: Wanted): Batch | null =>
    nextBatch({
      works: backlogCalls > 0 ? inFlight.idle().filter(isAwaited) : inFlight.idle(),
      bulk,
      now: now(),
      isAwaited,
      people,
      standing: breakers.standing,
      withoutDoubtful: doubtfulCalls > 0,
      suspectsFirst: performance.now() - doubtfulAt >= DOUBTFUL_TURN_MS,
    })

  return {
    peek,
    take: (wanted) => {
      const batch = peek(wanted)
      if (batch === null) return null
      const isBacklog = !batch.works.some(isAwaited)
      const doubtful = isDoubtful(batch, breakers.standing)
      if (isBacklog) backlogCalls++
      if (doubtful) doubtfulCalls++
      if (doubtful) doubtfulAt = performance.now()
      breakers.beginCall(batch.courses)
      inFlight.beginCall(batch.works)
      return {
        batch,
        isBacklog,
        end: () => {
          if (doubtful) doubtfulCalls--
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
