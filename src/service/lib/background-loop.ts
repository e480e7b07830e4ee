import { isUnreachable } from './errors.ts'
import { pause } from './pause.ts'

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
