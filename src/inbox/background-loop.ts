import { type Availability, isUnreachable } from '../database/availability.ts'
import { pause } from '../pause.ts'

/** What every work in the background is given. */
export interface Background {
  readonly guard: Availability['guard']
  /** Told of what went wrong, but not that the database is away. It is tried again. */
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
}

/**
 * Does a round of work again and again, until the signal is aborted. `round` gives how long to rest before the next one
 * (ms); after one that threw, that is `againMs`.
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
