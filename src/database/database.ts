import type { Database } from './dialect.ts'
import { openMysql } from './mysql/mysql.ts'
import { openSqlite } from './sqlite/sqlite.ts'

/** How long a connection to a server may be idle before the server closes it, ms. */
const IDLE_TIMEOUT_MS = 10_000

/**
 * Opens the inbox's database. `url` is `sqlite:PATH` or, for MySQL and MariaDB, `mysql://user:password@host:port/name`,
 * with `?tls=verify` for TLS. `ca`: the certificates of the authorities that may have signed the server's, as PEM; null
 * for the usual ones. A server is not contacted yet. `serve`: for a service; a SQLite file can have only one. A server
 * closes a connection that has been idle for `idleTimeoutMs`, and rolls back its open transaction. Throws AppError
 * database.unreachable or database.in_use, for SQLite only.
 */
export function openDatabase({
  url,
  ca = null,
  serve,
  idleTimeoutMs = IDLE_TIMEOUT_MS,
}: {
  url: string
  ca?: string | null | undefined
  serve: boolean
  idleTimeoutMs?: number
}): Database {
  if (url.startsWith('mysql:')) return openMysql({ url, ca, idleTimeoutMs })
  return openSqlite({ file: url.replace(/^sqlite:/, ''), serve })
}
