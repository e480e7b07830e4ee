import { AppError } from '../../service/lib/errors.ts'

export type Lease = ReturnType<typeof createLease>

/**
 * This replica's right to call the LMS. Others end its holds when it has sent no heartbeat for `forMs`, so its own right
 * ends by then, counted from when the last confirmed heartbeat was sent.
 * @param from.forMs how long a replica may send no heartbeat before others end its holds, ms
 * @param from.clock the monotonic clock, ms; it advances while the process is stopped
 */
export function createLease({ forMs, clock }: { forMs: number; clock: () => number }) {
  let endsAt = Number.NEGATIVE_INFINITY
  let cutAt = Number.NEGATIVE_INFINITY
  let ending = new AbortController()
  let timer: NodeJS.Timeout | undefined

  const watch = (): void => {
    const left = endsAt - clock()
    if (left <= 0) ending.abort(lost())
    else timer = setTimeout(watch, left).unref()
  }

  return {
    /** Call it when the database confirms a heartbeat that was sent at `sentAt` (ms of the monotonic clock). */
    extend: (sentAt: number): void => {
      if (sentAt < cutAt) return
      if (clock() >= endsAt) ending.abort(lost()) // ends the calls of the old lease, even if the timer is late
      endsAt = Math.max(endsAt, sentAt + forMs)
      if (endsAt <= clock()) return
      if (ending.signal.aborted) ending = new AbortController()
      clearTimeout(timer)
      watch()
    },
    /** The others have pruned this replica: aborts the calls in flight. Heartbeats that were sent before don't extend it. */
    cut: (): void => {
      cutAt = clock()
      endsAt = Number.NEGATIVE_INFINITY
      clearTimeout(timer)
      ending.abort(lost())
    },
    /** For a call that begins now: a signal that is aborted when the lease ends. Throws AppError lease.lost if it has ended. */
    signal: (): AbortSignal => {
      // After a pause of the whole process, this may run before the timer does.
      if (clock() >= endsAt) ending.abort(lost())
      ending.signal.throwIfAborted()
      return ending.signal
    },
    isValid: (): boolean => clock() < endsAt,
  }
}

const lost = (): AppError =>
  new AppError(
    'lease.lost',
    'This replica could not confirm its heartbeat in time, so another one may have taken over its deliveries. It calls the LMS again as soon as the database confirms a heartbeat. Check the connection to the database.',
  )
