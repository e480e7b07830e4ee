import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, sql } from 'kysely'
import { AppError, messageOf } from '../../service/lib/errors.ts'
import type { Database, Dialect } from '../dialect.ts'
import type { Tables } from '../schema.ts'
import { createStatements, hasCode, isBusy, isUnusable, openConnection } from './connection.ts'
import { refuseToWrite, sqliteDialect } from './driver.ts'
import { assertSinglePath, keepPrivate, makePrivate, placeOf, resolveSymlinks, writeObstacle } from './file.ts'
import { connectInThread } from './thread.ts'
import { vacuumSqlite } from './vacuum-sqlite.ts'

/** Longer than inspect.ts holds the lock to check for a service. */
const LOCK_TIMEOUT_MS = 200

const DIALECT: Dialect = {
  clock: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
  exclusive: true,
  errorKindOf: (error) => (isUnusable(error) ? 'unavailable' : 'other'),
}

/**
 * Opens the inbox's database in a SQLite file. Creates the file and its folder if they don't exist. Only their owner may
 * read them, because they hold names and addresses. Symbolic links are followed first.
 * Throws AppError database.unreachable if the file can't be opened or has more than one path (see assertSinglePath), and
 * database.in_use if another service holds it (`serve`).
 */
export function openSqlite({ file: given, serve }: { file: string; serve: boolean }): Database {
  try {
    mkdirSync(dirname(given), { recursive: true, mode: 0o700 })
    const file = resolveSymlinks(given)
    assertSinglePath(file)
    const release = serve ? lockForServe(file) : () => {}
    try {
      const { db, reports, close } = connect(file)
      return {
        db,
        reports,
        dialect: DIALECT,
        name: given,
        vacuum: (options) => vacuumSqlite({ db, file, ...options }),
        place: placeOf({ given, file, db }),
        close: async () => {
          await close()
          release()
        },
      }
    } catch (error) {
      release()
      throw error
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    const why = messageOf(cause)
    if (isForeign(cause)) {
      throw new AppError(
        'database.unreachable',
        `The file ${given} is not a SQLite database, or it is damaged (${why}). If the file belongs to another program, correct LERNITO_DATABASE_URL. If it is the service's own, move it aside and restore a backup.`,
        { cause },
      )
    }
    throw new AppError(
      'database.unreachable',
      `The database ${given} can't be opened (${writeObstacle(resolve(given)) ?? why}). Check LERNITO_DATABASE_URL, and that this user may write to the file and its folder.`,
      { cause },
    )
  }
}

/**
 * Opens the connections. The one that reads comes first: it creates the file, and throws if it can't be used. A thread
 * writes, so that a slow disk holds up nothing but what is being stored, and another one counts.
 */
function connect(file: string): Pick<Database, 'db' | 'reports' | 'close'> {
  makePrivate(file) // SQLite creates its other files with the same mode
  for (const suffix of ['-wal', '-shm', '.lock-journal']) keepPrivate(`${file}${suffix}`)
  const reader = openConnection(file, 'read')
  const writer = connectInThread({ file, to: 'write' })
  const counter = connectInThread({ file, to: 'read' })
  const db = new Kysely<Tables>({ dialect: sqliteDialect({ read: createStatements(reader), write: writer.run }) })
  const reports = new Kysely<Tables>({ dialect: sqliteDialect({ read: counter.run, write: refuseToWrite }) })
  const close = async (): Promise<void> => {
    await Promise.all([db.destroy(), reports.destroy()])
    await Promise.all([writer.close(), counter.close()])
    reader.close()
  }
  return { db, reports, close }
}

/** Keeps the locks: garbage collection closes a connection without references, and its lock is gone. */
const heldLocks = new Set<DatabaseSync>()

/**
 * Holds FILE.lock until the returned function or the end of this process releases it. The kernel releases the lock
 * however the process dies, so no stale lock can prevent a start.
 */
function lockForServe(file: string): () => void {
  makePrivate(`${file}.lock`)
  const lock = new DatabaseSync(`${file}.lock`, { timeout: LOCK_TIMEOUT_MS })
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    assertNotOpenByOtherPath(file)
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw cause
    throw new AppError(
      'database.in_use',
      `Another lernito-openedx is already running on ${file}. Stop it first, or set a different LERNITO_DATABASE_URL for this one. Several replicas need MySQL or MariaDB.`,
      { cause },
    )
  }
  heldLocks.add(lock)
  return () => {
    heldLocks.delete(lock)
    lock.close()
  }
}

/**
 * Throws SQLITE_BUSY if a process has the file open by another path, from before it was renamed or its other name was
 * removed. FILE.lock is named after the path, but SQLite's own locks are on the inode. A process that has the file open
 * by this path keeps FILE-wal next to it. If that is missing and the file is locked, the other path was used.
 */
function assertNotOpenByOtherPath(file: string): void {
  const isOpenHere = (): boolean => existsSync(`${file}-wal`)
  if (!existsSync(file) || isOpenHere()) return
  const probe = new DatabaseSync(file, { timeout: LOCK_TIMEOUT_MS })
  try {
    probe.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK')
  } catch (error) {
    if (isBusy(error) && !isOpenHere()) throw error // a command may have opened it in between
  } finally {
    probe.close()
  }
}

/** Whether the file has no database that SQLite can read: SQLITE_CORRUPT or SQLITE_NOTADB. */
const isForeign = (error: unknown): boolean => hasCode(error, [11, 26])
