/** The time limit of one call. */
export interface Deadline {
  /** Aborted when the time is over, or with the given signal and for its reason. */
  readonly signal: AbortSignal
  /** Whether the time is over. */
  isOver(): boolean
  /** Call it when the call has ended. */
  clear(): void
}

/**
 * Starts the time limit of a call. AbortSignal.timeout can't be cleared: each signal would keep its call, with the
 * answer, in memory until the limit has passed.
 * @param of.ms how long the call may take
 * @param of.signal what else ends the call
 */
export function startDeadline({ ms, signal }: { ms: number; signal: AbortSignal | null }): Deadline {
  const controller = new AbortController()
  let over = false
  const timer = setTimeout(() => {
    over = true
    controller.abort(new DOMException('The time for the call is over', 'TimeoutError'))
  }, ms).unref()
  const end = (): void => controller.abort(signal?.reason)
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end, { once: true })
  return {
    signal: controller.signal,
    isOver: () => over,
    clear: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
    },
  }
}
