const HARD_STOP_MS = 7_800

/**
 * Starts, waits for SIGTERM or SIGINT, and stops; gives the exit code. A signal that comes during the start counts as
 * soon as that is over. If something hangs all the same, the process ends within 8 s and `drainMs` of the signal:
 * everything accepted is in the database. Throws what `start` throws.
 */
export async function runUntilSignal({
  start,
  stop,
  drainMs = 0,
}: {
  start: () => Promise<unknown>
  stop: () => Promise<void>
  /** How long `stop` serves on before it stops. */
  drainMs?: number
}): Promise<number> {
  const signalled = new Promise<void>((resolve) => {
    const hear = (): void => {
      setTimeout(() => process.exit(1), HARD_STOP_MS + drainMs).unref()
      resolve()
    }
    process.once('SIGTERM', hear)
    process.once('SIGINT', hear)
  })
  await start()
  await signalled
  await stop()
  return 0
}
