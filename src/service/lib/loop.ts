import { setTimeout as delay } from 'node:timers/promises'
import { isUnreachable } from './errors.ts'

/** What every background loop needs. */
export interface Background {
  /** Runs what needs the database; see Availability. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>
  /** Gets every error except that the database is unavailable. The round is retried. */
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
}

/**
 * Repeats a round of work until the signal is aborted. `round` resolves to the rest before the next round (ms); after a
 * round that throws, the rest is `againMs`.
 */
export async function runBackgroundLoop({
  round,
  againMs,
  onError,
  signal,
}: Omit<Background, 'guard'> & { round: () => Promise<number>; againMs: number }): Promise<void> {
  while (!signal.aborted) {
    let restMs = againMs
    try {
      restMs = await round()
    } catch (error) {
      if (!isUnreachable(error)) onError(error)
    }
    await pause(restMs, signal)
  }
}

/** How long to wait before what could not be stored is tried again, ms. */
const STORE_AGAIN_MS = 1000

/**
 * Stores what already has an effect elsewhere: tries again until the database has it. Resolves to null if the signal is
 * aborted before that.
 */
export async function untilStored<Result>(
  store: () => Promise<Result>,
  { onError, signal }: Pick<Background, 'onError' | 'signal'>,
): Promise<Result | null> {
  for (;;) {
    try {
      return await store()
    } catch (error) {
      if (!isUnreachable(error)) onError(error)
      if (signal.aborted) return null
      await pause(STORE_AGAIN_MS, signal)
    }
  }
}

/** Waits `ms`, or until the signal is aborted, whichever comes first. Never rejects: callers check the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // It rejects only because of the signal.
  await delay(ms, undefined, { signal }).catch(() => {})
}

/** What the work resolves to; null if that takes longer than `ms`. The work goes on, and must not resolve to null itself. */
export async function within<Value>(ms: number, work: Promise<Value>): Promise<Value | null> {
  const timer = new AbortController()
  const late = delay(ms, null, { signal: timer.signal }).catch(() => null)
  return Promise.race([work, late]).finally(() => timer.abort())
}

/**
 * A signal that wakes a loop before its next poll. A loop starts to listen before it checks for work, so that it misses
 * no signal. This doesn't use Promise.race: a pending promise keeps everything that was raced against it in memory, and
 * days may pass before the next signal.
 */
export function createWakeUp() {
  const sleepers = new Set<() => void>()
  let signals = 0
  return {
    /** Wakes everyone who is listening now. */
    wake: (): void => {
      signals++
      for (const wake of [...sleepers]) wake()
    },
    /**
     * Starts to listen at once. The returned function waits until a wake-up signal came after that, `ms` have passed, or
     * the abort signal is aborted, whichever comes first.
     */
    listen: () => {
      const heard = signals
      return async (ms: number, signal: AbortSignal): Promise<void> => {
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
export type WakeUp = ReturnType<typeof createWakeUp>
