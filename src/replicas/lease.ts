import { AppError } from '../errors.ts'

/**
 * The right of this replica to work. Others may take its deliveries over when it has been silent for `forMs`, so its
 * own right ends then at the latest, counted from the moment at which the last confirmed heartbeat was sent.
 */
export interface Lease {
  /** A heartbeat that was sent at `sentAt` (ms of the monotonic clock) was confirmed. */
  extend(sentAt: number): void
  /** Aborted when the lease ends: for a call that begins now. Throws AppError lease.lost if it has ended. */
  signal(): AbortSignal
}

/**
 * @param from.forMs how long a replica may be silent before others take over, ms
 * @param from.clock the monotonic clock, ms; it runs on while the process is stopped
 */
export function createLease({ forMs, clock }: { forMs: number; clock: () => number }): Lease {
  let endsAt = Number.NEGATIVE_INFINITY
  let ending = new AbortController()
  let timer: NodeJS.Timeout | undefined

  const watch = (): void => {
    const left = endsAt - clock()
    if (left <= 0) ending.abort(lost())
    else timer = setTimeout(watch, left).unref()
  }

  return {
    extend: (sentAt) => {
      if (clock() >= endsAt) ending.abort(lost()) // calls of the old lease end, even if the timer is late
      endsAt = Math.max(endsAt, sentAt + forMs)
      if (endsAt <= clock()) return
      if (ending.signal.aborted) ending = new AbortController()
      clearTimeout(timer)
      watch()
    },
    signal: () => {
      // After a stop of the whole process, work may continue before the timer does.
      if (clock() >= endsAt) ending.abort(lost())
      ending.signal.throwIfAborted()
      return ending.signal
    },
  }
}

const lost = (): AppError =>
  new AppError(
    'lease.lost',
    'This replica could not confirm its heartbeat in time, so another one may have its deliveries. It makes no call to the LMS until the database confirms the next heartbeat: check the connection to the database.',
  )
