import type { Service } from '../service.ts'

const HARD_STOP_MS = 7_800

/**
 * Waits for SIGTERM or SIGINT and stops the service; gives the exit code. If something hangs all the same, the process
 * ends within 8 s: everything accepted is in the database.
 */
export async function runUntilSignal({ stop }: { stop: Service['stop'] }): Promise<number> {
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })
  setTimeout(() => process.exit(1), HARD_STOP_MS).unref()
  await stop()
  return 0
}
