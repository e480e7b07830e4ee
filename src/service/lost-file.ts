import { setTimeout as delay } from 'node:timers/promises'
import type { openInbox } from '../queue/open-inbox.ts'
import { AppError } from './lib/errors.ts'
import type { Log } from './telemetry/log.ts'

interface LostFile {
  readonly database: Pick<ReturnType<typeof openInbox>['database'], 'name' | 'place'>
  readonly log: Log
  /** From one look to the next, ms. */
  readonly everyMs: number
  /** Ends the looking. */
  readonly signal: AbortSignal
}

/** Looks whether the file of the database is still at its path. A server has no file. */
export function watchFile({ database, log, everyMs, signal }: LostFile) {
  const lost = Promise.withResolvers<void>()
  let isLost = false
  return {
    isLost: (): boolean => isLost,
    /** Resolves as soon as the file is lost. */
    lost: lost.promise,
    run: async (): Promise<void> => {
      while (!signal.aborted && !isLost) {
        isLost = database.place?.isLost() ?? false
        if (!isLost) await delay(everyMs, null, { signal, ref: false }).catch(() => {}) // the signal was aborted
      }
      if (!isLost) return
      log.error({ database: database.name }, 'the database file was deleted, moved or replaced; the service ends')
      lost.resolve()
    },
  }
}

/**
 * Call it when nothing is stored any more, and before the database is closed: the file may have no name, and is gone when
 * it is closed. Returns the error with which the service ends, if the file is lost: it names the copy of the file.
 */
export async function saveIfLost({
  database,
  now,
}: Pick<LostFile, 'database'> & { now: number }): Promise<AppError | null> {
  const { name, place } = database
  if (!place?.isLost()) return null
  const happened = `The database file ${name} was deleted, moved or replaced while the service used it`
  try {
    const copy = await place.saveCopy(now)
    const message = `${happened}. All that the service has stored is in ${copy}. Stop the service, and put this copy in the place of ${name}; docs/how-to/back-up-and-restore.md says how.`
    return new AppError('database.lost', message)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `${happened}, and what it held could not be copied (${why}). Stop the service, and restore the backup or the moved file; docs/how-to/back-up-and-restore.md says how.`
    return new AppError('database.lost', message, { cause })
  }
}
