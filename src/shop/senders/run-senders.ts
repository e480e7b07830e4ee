import { type Background, runBackgroundLoop } from '../../service/lib/background-loop.ts'
import { isUnreachable } from '../../service/lib/errors.ts'
import type { Senders } from './senders.ts'

/** From one flush to the next. */
const FLUSH_MS = 5_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Stores the senders every few seconds, and deletes every hour what nobody sent for `days`, until the signal is aborted.
 * Then it stores once more.
 */
export async function runSenders({
  senders,
  days,
  now,
  onError,
  signal,
}: Omit<Background, 'guard'> & {
  senders: Senders
  days: number
  /** In ms since 1970. */
  now: () => number
}): Promise<void> {
  let deleteAt = Number.NEGATIVE_INFINITY
  const round = async (): Promise<number> => {
    await senders.flush()
    if (now() >= deleteAt || now() < deleteAt - HOUR_MS) {
      await senders.deleteOld(now() - days * DAY_MS)
      deleteAt = now() + HOUR_MS
    }
    return FLUSH_MS
  }
  await runBackgroundLoop({ round, againMs: FLUSH_MS, onError, signal })
  await senders.flush().catch((error: unknown) => {
    if (!isUnreachable(error)) onError(error)
  })
}
