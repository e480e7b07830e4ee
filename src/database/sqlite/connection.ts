import { DatabaseSync } from 'node:sqlite'

/** How long a statement waits while another process writes, such as a command: ms. */
const BUSY_TIMEOUT_MS = 5000
const WAL_AGAIN_MS = 10

/** Opens the connection that writes. Throws what SQLite throws. */
export function openWriteConnection(file: string): DatabaseSync {
  const connection = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  enableWal(connection)
  connection.exec('PRAGMA synchronous = FULL')
  connection.exec('PRAGMA secure_delete = ON') // overwrites deleted rows; see vacuum-sqlite.ts
  return connection
}

/**
 * Opens a connection that refuses to write. It opens the file for writing nevertheless, so that it creates a new one and
 * reports one that can't be used. Throws what SQLite throws.
 */
export function openReadConnection(file: string): DatabaseSync {
  const connection = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  enableWal(connection)
  connection.exec('PRAGMA query_only = ON')
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

/** Whether the error is one of SQLite's SQLITE_BUSY codes: another connection holds the lock. The low byte tells. */
export const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
