import { setTimeout as delay } from 'node:timers/promises'

/** Waits `ms`, or until the signal is aborted, whichever comes first. Never rejects: callers check the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // It rejects only because of the signal.
  await delay(ms, undefined, { signal }).catch(() => {})
}

/** Calls `then` after `ms`. */
export type StartTimer = (ms: number, then: () => void) => void

/** A timer that doesn't keep the process alive. */
export const startTimer: StartTimer = (ms, then) => {
  setTimeout(then, ms).unref()
}
