export interface WakeUp {
  /** Wakes everyone who is listening now. */
  wake(): void
  /**
   * Starts to listen at once; the returned function then waits until the bell has rung since, `ms` have passed, or the
   * signal is aborted, whichever comes first.
   */
  listen(): (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Wakes a sleeper that would otherwise poll. Listening begins before the look, so that no ring is missed. Without
 * Promise.race: a promise that stays open keeps whatever was raced against it, and a bell may not ring for days.
 */
export function createWakeUp(): WakeUp {
  const sleepers = new Set<() => void>()
  let rings = 0
  return {
    wake: () => {
      rings++
      for (const wake of [...sleepers]) wake()
    },
    listen: () => {
      const heard = rings
      return async (ms, signal) => {
        if (signal.aborted || rings > heard) return
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            clearTimeout(timer)
            signal.removeEventListener('abort', wake)
            sleepers.delete(wake)
            resolve()
          }
          const timer = setTimeout(wake, ms)
          signal.addEventListener('abort', wake, { once: true })
          sleepers.add(wake)
        })
      }
    },
  }
}
