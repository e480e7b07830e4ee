/** Calls `then` after `ms`. */
export type StartTimer = (ms: number, then: () => void) => void

/** A timer that doesn't keep the process alive. */
export const startTimer: StartTimer = (ms, then) => {
  setTimeout(then, ms).unref()
}
