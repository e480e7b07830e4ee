import type { StartTimer } from './timer.ts'

/** Gives the slot back after `afterMs`. Only the first call counts. */
export type ReleaseSlot = (afterMs: number) => void

/** Limits how many calls are in flight at once. The others wait in the order in which they came. */
export interface ConcurrencyLimiter {
  acquire(): Promise<ReleaseSlot>
}

/**
 * @param from.slots how many calls may be in flight at once, at least 1; read each time, since it may change
 * @param from.startTimer the timer for slots that are given back later
 */
export function createConcurrencyLimiter(from: { slots: () => number; startTimer: StartTimer }): ConcurrencyLimiter {
  const waiting: (() => void)[] = []
  let inFlight = 0

  function admit() {
    while (inFlight < from.slots()) {
      const next = waiting.shift()
      if (next === undefined) return
      inFlight += 1
      next()
    }
  }

  function release() {
    inFlight -= 1
    admit()
  }

  return {
    async acquire() {
      const admitted = new Promise<void>((resolve) => waiting.push(resolve))
      admit()
      await admitted
      let released = false
      return (afterMs) => {
        if (released) return
        released = true
        if (afterMs > 0) from.startTimer(afterMs, release)
        else release()
      }
    },
  }
}
