import type { Database } from './dialect.ts'
import { openMysql } from './mysql.ts'
import { openSqlite } from './sqlite.ts'

/** How long a connection to a server may say nothing before the server closes it, ms. */
const SILENT_MS = 10_000

/**
 * Opens the inbox's database. `url` is `sqlite:PATH` or `mysql://user:password@host:port/name`; the latter is MySQL or
 * MariaDB, and nothing is asked of the server yet. `serve`: for a service, of which a SQLite file can have only one.
 * A server rolls back what a connection left undone when it has heard nothing for `silentMs`.
 * Throws AppError database.unreachable or database.in_use, for SQLite only.
 */
export function openDatabase({
  url,
  serve,
  silentMs = SILENT_MS,
}: {
  url: string
  serve: boolean
  silentMs?: number
}): Database {
  if (url.startsWith('mysql:')) return openMysql({ url, silentMs })
  return openSqlite({ file: url.replace(/^sqlite:/, ''), serve })
}
