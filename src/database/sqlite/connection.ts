import { DatabaseSync, type SQLInputValue } from 'node:sqlite'

/** How long a statement waits while another process writes, such as a command: ms. */
const BUSY_TIMEOUT_MS = 5000
const WAL_AGAIN_MS = 10

/** What prepares a connection. `write` overwrites deleted rows; see vacuum-sqlite.ts. */
const PRAGMAS = { write: 'PRAGMA synchronous = FULL; PRAGMA secure_delete = ON', read: 'PRAGMA query_only = ON' }
export type ConnectionKind = keyof typeof PRAGMAS

/**
 * Opens a connection that writes, or one that refuses to. That one opens the file for writing nevertheless, so that it
 * creates a new one and reports one that can't be used. Throws what SQLite throws.
 */
export function openConnection(file: string, to: ConnectionKind): DatabaseSync {
  const connection = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  enableWal(connection)
  connection.exec(PRAGMAS[to])
  return connection
}

/** A new file is switched to WAL once. SQLite refuses two processes that do it at once, without waiting its timeout. */
function enableWal(connection: DatabaseSync): void {
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

/** Whether another connection holds the lock: SQLITE_BUSY. */
export const isBusy = (error: unknown): boolean => hasCode(error, [5])

/**
 * Whether SQLite can't write just now, whatever it is to write: the disk keeps it from that (SQLITE_READONLY, SQLITE_IOERR,
 * SQLITE_FULL or SQLITE_CANTOPEN), or another program has kept the file locked for longer than BUSY_TIMEOUT_MS.
 */
export const isUnusable = (error: unknown): boolean => isBusy(error) || hasCode(error, [8, 10, 13, 14])

/** Whether SQLite has failed with one of these codes. The low byte tells; the others say more about the case. */
export const hasCode = (error: unknown, codes: readonly number[]): boolean =>
  error instanceof Error && 'errcode' in error && codes.includes(Number(error.errcode) & 0xff)

/** The statements that are kept prepared. A busy service uses some 60 different ones. */
const KEPT = 200
/** Longer statements, with many rows, have many different lengths and would crowd out the others. Characters. */
const KEPT_LENGTH = 2000
/** SQLite copies parameters, and a kept statement holds the copies until it runs again. Bytes, about. */
const KEPT_PARAMETERS = 256 * 1024

/** What a statement gave: its rows if it has columns, otherwise how many rows it changed. */
export interface StatementResult {
  readonly rows: readonly unknown[]
  readonly changes: number | bigint | null
}

/**
 * Returns a function that runs statements on `connection` and keeps the latest 200 prepared, because preparing one takes
 * longer than most take to run. It throws what SQLite throws.
 */
export function createStatements(
  connection: DatabaseSync,
): (sql: string, parameters: readonly unknown[]) => StatementResult {
  const prepare = (sql: string) => {
    const statement = connection.prepare(sql)
    return { statement, hasColumns: statement.columns().length > 0 }
  }
  const kept = new Map<string, ReturnType<typeof prepare>>()

  const keep = (sql: string) => {
    const prepared = kept.get(sql) ?? prepare(sql)
    kept.delete(sql)
    kept.set(sql, prepared) // a map keeps the order: the first one was used longest ago
    const [oldest] = kept.keys()
    if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest)
    return prepared
  }

  return (sql, parameters) => {
    const values = parameters.map(inputValue)
    const isKept = sql.length <= KEPT_LENGTH && values.reduce(sizeOf, 0) <= KEPT_PARAMETERS
    const { statement, hasColumns } = isKept ? keep(sql) : prepare(sql)
    if (hasColumns) return { rows: statement.all(...values), changes: null }
    return { rows: [], changes: statement.run(...values).changes }
  }
}

function inputValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value
  if (value instanceof Uint8Array) return value
  throw new TypeError(`SQLite can't store a ${typeof value}`)
}

const sizeOf = (sum: number, value: SQLInputValue): number =>
  sum + (typeof value === 'string' || value instanceof Uint8Array ? value.length : 8)
