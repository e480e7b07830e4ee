import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import type { Database } from './dialect.ts'
import { serverErrorOf } from './mysql-errors.ts'

const QUICK_MS = 500
const AGAIN_MS = 20

export interface Availability {
  /** Why the database can't be used at the moment, for an operator; null while it can. */
  reason(): string | null
  /** Notes what the last look at the database came to; null: all is well. */
  note(error: unknown): void
  /**
   * Does the work, unless the database is known to be away: then, and when it turns out to be, it throws AppError
   * database.unreachable. So one who looks regularly waits for the database, and everybody else fails at once.
   */
  guard<T>(work: () => Promise<T>): Promise<T>
}

/** `onChange` is told when the reason changes, and not of each failure. */
export function createAvailability({
  database: { dialect, name },
  onChange,
}: {
  database: Pick<Database, 'dialect' | 'name'>
  onChange: (reason: string | null) => void
}): Availability {
  // A server is asked only after the start; until then nobody knows.
  let reason = dialect.exclusive ? null : `The database ${name} has not answered yet.`

  const change = (next: string | null): void => {
    if (next === reason) return
    reason = next
    onChange(reason)
  }
  const away = (text: string, cause?: unknown): AppError => new AppError('database.unreachable', text, { cause })

  return {
    reason: () => reason,
    note: (error) => change(error === null ? null : describe(error, name)),
    guard: async (work) => {
      if (reason !== null) throw away(reason)
      try {
        return await tryTwice({ dialect, work })
      } catch (error) {
        if (dialect.troubleOf(error) !== 'unavailable') throw error
        const text = describe(error, name)
        change(text)
        throw away(text, error)
      }
    },
  }
}

/**
 * A connection that was idle may turn out to be closed, as after a restart of the server or a pause of this process:
 * that alone doesn't mean that the database is away. `work` must not mind to be done again.
 */
export async function tryTwice<T>({
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
    if (dialect.troubleOf(error) !== 'unavailable' || performance.now() - began > QUICK_MS) throw error
    await delay(AGAIN_MS) // meanwhile the other closed connections are noticed
    return await work()
  }
}

/** Whether it says that the database is away, and nothing more: whoever watches over that tells of it. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'database.unreachable'

function describe(error: unknown, name: string): string {
  if (error instanceof AppError) return error.message
  return `The database ${name} can't be used: ${reasonOf(error)}. It is tried again until it can.`
}

/**
 * The cause in the database's words, without a full stop. Node.js gives an error without a message when it tried
 * several addresses.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const words = serverErrorOf(error)?.words
  if (words !== undefined) return words
  if (error.message !== '') return error.message.replace(/\.$/, '')
  return 'code' in error ? String(error.code) : error.name
}
