import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Kysely, type SqliteDatabase, SqliteDialect, sql } from 'kysely'
import { AppError } from '../errors.ts'
import type { Database, Dialect } from './dialect.ts'
import { keepPrivate, makePrivate } from './private-files.ts'
import type { Tables } from './schema.ts'
import { scrubSqlite } from './scrub-sqlite.ts'
import { assertOnePath, realFile } from './sqlite-file.ts'

/** How long a statement waits while another process, such as a command beside the service, writes: ms. */
const BUSY_TIMEOUT_MS = 5000
const WAL_AGAIN_MS = 10
/** Longer than whoever only looks whether a service holds the lock; see inspect.ts. */
const LOCK_TIMEOUT_MS = 200

const DIALECT: Dialect = {
  tableOptions: sql``,
  clock: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
  exclusive: true,
  troubleOf: () => 'other',
}

/**
 * Opens an inbox in one file, making the file and its folder if need be. Only their owner may read them: they hold
 * names and addresses. Symbolic links are followed first.
 * Throws AppError database.unreachable if it can't be opened or has more than one path (see assertOnePath),
 * database.in_use if another service holds it (`serve`).
 */
export function openSqlite({ file: given, serve }: { file: string; serve: boolean }): Database {
  try {
    mkdirSync(dirname(given), { recursive: true, mode: 0o700 })
    const file = realFile(given)
    assertOnePath(file)
    const release = serve ? lockForServe(file) : () => {}
    try {
      const db = new Kysely<Tables>({ dialect: sqliteDialect(file) })
      return {
        db,
        dialect: DIALECT,
        name: given,
        scrub: (order) => scrubSqlite({ db, file, ...order }),
        close: async () => {
          await db.destroy()
          release()
        },
      }
    } catch (error) {
      release()
      throw error
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError(
      'database.unreachable',
      `The database ${given} can't be opened (${why}). Check that LERNITO_DATABASE_URL names a file in a folder that this user may write to.`,
      { cause },
    )
  }
}

/** Kysely's own SQLite dialect over Node's built-in SQLite. */
function sqliteDialect(file: string): SqliteDialect {
  makePrivate(file) // SQLite gives the files that it makes beside it the same mode
  for (const beside of ['-wal', '-shm', '.lock-journal']) keepPrivate(`${file}${beside}`)
  const connection = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  useWal(connection)
  connection.exec('PRAGMA synchronous = FULL')
  connection.exec('PRAGMA secure_delete = ON') // what is erased is overwritten; see scrub-sqlite.ts
  const database: SqliteDatabase = {
    close: () => connection.close(),
    prepare: (sql) => {
      const statement = connection.prepare(adapted(sql, connection))
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...parameters.map(inputValue)),
        run: (parameters) => statement.run(...parameters.map(inputValue)),
        iterate: (parameters) => statement.iterate(...parameters.map(inputValue)),
      }
    },
  }
  return new SqliteDialect({ database })
}

function adapted(sql: string, connection: DatabaseSync): string {
  // A deferred transaction that reads first fails at once when a command wrote in between (SQLITE_BUSY_SNAPSHOT).
  if (sql === 'begin') return 'begin immediate'
  // On a full disk SQLite has rolled back by itself; its refusal to do so again would hide the reason.
  if (sql === 'rollback' && !connection.isTransaction) return 'select 1'
  return sql
}

/** A new file changes to WAL once; two processes that do so at once are refused by SQLite without its timeout. */
function useWal(connection: DatabaseSync): void {
  for (let waited = 0; ; waited += WAL_AGAIN_MS) {
    try {
      connection.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || waited >= BUSY_TIMEOUT_MS) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAL_AGAIN_MS)
    }
  }
}

function inputValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value
  if (value instanceof Uint8Array) return value
  throw new TypeError(`SQLite can't store a ${typeof value}`)
}

/** A connection that nobody refers to any more is closed by the garbage collection, and its lock is gone. */
const held = new Set<DatabaseSync>()

/**
 * Holds FILE.lock for the life of this process. The kernel lets go of it however the process dies, so no stale lock
 * can keep a service from starting.
 */
function lockForServe(file: string): () => void {
  makePrivate(`${file}.lock`)
  const lock = new DatabaseSync(`${file}.lock`, { timeout: LOCK_TIMEOUT_MS })
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    assertNotOpenElsewhere(file)
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw cause
    throw new AppError(
      'database.in_use',
      `Another lernito-openedx serves ${file} already. Stop it first, or give this one another LERNITO_DATABASE_URL; for several replicas use mysql://.`,
      { cause },
    )
  }
  held.add(lock)
  return () => {
    held.delete(lock)
    lock.close()
  }
}

/**
 * FILE.lock is named after the path, SQLite's own locks hold on the inode. Whoever has the file open by this path has
 * FILE-wal beside it; where that is missing, anybody who has it open opened it by another path, before it was renamed
 * or its other name removed. Throws SQLite's SQLITE_BUSY then.
 */
function assertNotOpenElsewhere(file: string): void {
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

/** Whether SQLite says that someone else holds the lock; the low byte is its SQLITE_BUSY in all its kinds. */
export const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
