/** Calls `then` some ms from now. */
export type Later = (ms: number, then: () => void) => void

/** By a timer that doesn't keep the process alive. */
export const later: Later = (ms, then) => {
  setTimeout(then, ms).unref()
}
