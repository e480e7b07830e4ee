const HARD_STOP_MS = 7_800

/**
 * Starts, waits for SIGTERM or SIGINT, and stops; gives the exit code. A signal that comes during the start counts as
 * soon as that is over. If something hangs all the same, the process ends within 8 s of the signal: everything accepted
 * is in the database. Throws what `start` throws.
 */
export async function runUntilSignal({
  start,
  stop,
}: {
  start: () => Promise<unknown>
  stop: () => Promise<void>
}): Promise<number> {
  const signalled = new Promise<void>((resolve) => {
    const hear = (): void => {
      setTimeout(() => process.exit(1), HARD_STOP_MS).unref()
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
