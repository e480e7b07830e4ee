import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../service/lib/errors.ts'
import type { Database } from './dialect.ts'
import { serverErrorOf } from './mysql/errors.ts'

const QUICK_MS = 500
const AGAIN_MS = 20

/** Tracks whether the database can be used. `onChange` gets each new reason once, not each failure. */
export function createAvailability({
  database: { dialect, name },
  onChange,
}: {
  database: Pick<Database, 'dialect' | 'name'>
  onChange: (reason: string | null) => void
}) {
  // The service asks a server only after the start; until then the answer is unknown.
  let reason = dialect.exclusive ? null : `The database ${name} has not answered yet.`

  const change = (next: string | null): void => {
    if (next === reason) return
    reason = next
    onChange(reason)
  }
  const away = (text: string, cause?: unknown): AppError => new AppError('database.unreachable', text, { cause })

  return {
    /** Why the database can't be used now, for an operator; null while it can. */
    reason: () => reason,
    /** Records the result of the last access to the database: the error, or null for success. */
    note: (error: unknown): void => change(error === null ? null : describe(error, name)),
    /**
     * Runs `work`. Throws AppError database.unreachable when `work` finds the database unavailable, and at once while a
     * server is known to be. So only the heartbeat waits for the server; every other caller fails fast.
     */
    guard: async <T>(work: () => Promise<T>): Promise<T> => {
      // What is in a file can be read while its disk is full.
      if (reason !== null && !dialect.exclusive) throw away(reason)
      try {
        return await retryOnce({ dialect, work })
      } catch (error) {
        if (dialect.errorKindOf(error) !== 'unavailable') throw error
        const text = describe(error, name)
        change(text)
        throw away(text, error)
      }
    },
  }
}
export type Availability = ReturnType<typeof createAvailability>

/**
 * Runs `work`, and once more if it fails quickly because the database is unavailable. A connection that was idle may
 * turn out to be closed, for example after a restart of the server or a pause of this process. That alone doesn't mean
 * that the database is unavailable. `work` must be safe to repeat.
 */
export async function retryOnce<T>({
  dialect,
  work,
}: {
  dialect: Database['dialect']
  work: () => Promise<T>
}): Promise<T> {
  const began = performance.now()
  try {
    return await work()
  } catch (error) {
    if (dialect.errorKindOf(error) !== 'unavailable' || performance.now() - began > QUICK_MS) throw error
    await delay(AGAIN_MS) // gives the pool time to notice its other closed connections
    return await work()
  }
}

function describe(error: unknown, name: string): string {
  if (error instanceof AppError) return error.message
  return `The database ${name} can't be used: ${reasonOf(error)}. The service retries until it can.`
}

/**
 * The cause as the database words it, without a full stop. Node.js throws an error without a message after it tried
 * several addresses.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const words = serverErrorOf(error)?.words
  if (words !== undefined) return words
  if (error.message !== '') return error.message.replace(/\.$/, '')
  return 'code' in error ? String(error.code) : error.name
}
