export interface WakeUp {
  /** Wakes everyone who is listening now. */
  wake(): void
  /**
   * Starts to listen at once. The returned function waits until a wake-up signal came after that, `ms` have passed, or
   * the abort signal is aborted, whichever comes first.
   */
  listen(): (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * A signal that wakes a loop before its next poll. A loop starts to listen before it checks for work, so that it misses
 * no signal. This doesn't use Promise.race: a pending promise keeps everything that was raced against it in memory, and
 * days may pass before the next signal.
 */
export function createWakeUp(): WakeUp {
  const sleepers = new Set<() => void>()
  let signals = 0
  return {
    wake: () => {
      signals++
      for (const wake of [...sleepers]) wake()
    },
    listen: () => {
      const heard = signals
      return async (ms, signal) => {
        if (signal.aborted || signals > heard) return
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
