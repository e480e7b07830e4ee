import { setTimeout as delay } from 'node:timers/promises'

/** Waits `ms`, or until the signal is aborted, whichever comes first. Never rejects: whoever pauses looks afterwards. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Its only reason to reject is the signal.
  await delay(ms, undefined, { signal }).catch(() => {})
}
