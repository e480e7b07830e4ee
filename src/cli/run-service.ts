const HARD_STOP_MS = 7_800

/**
 * Starts, waits for SIGTERM or SIGINT, and stops; returns the exit code. A signal during the start takes effect after
 * the start. If the stop hangs, the process exits within 8 s and `drainMs` of the signal: every accepted delivery is in
 * the database. Throws what `start` and `stop` throw.
 */
export async function runUntilSignal({
  start,
  stop,
  failed,
  drainMs = 0,
}: {
  start: () => Promise<unknown>
  /** Resolves when it can't go on, and has to be stopped without a signal. */
  failed?: Promise<void>
  stop: () => Promise<void>
  /** How long `stop` keeps serving first, ms. */
  drainMs?: number
}): Promise<number> {
  const signalled = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      setTimeout(() => process.exit(1), HARD_STOP_MS + drainMs).unref()
      resolve()
    }
    process.once('SIGTERM', onSignal)
    process.once('SIGINT', onSignal)
  })
  await start()
  await Promise.race([signalled, failed ?? signalled])
  await stop()
  return 0
}
