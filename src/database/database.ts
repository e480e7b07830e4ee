import type { Database } from './dialect.ts'
import { openMysql } from './mysql/mysql.ts'
import { openSqlite } from './sqlite/sqlite.ts'
import type { RunTask, Tasks } from './tasks.ts'

/** How long a connection to a server may be idle before the server closes it, ms. */
const IDLE_TIMEOUT_MS = 10_000

interface Opening {
  readonly url: string
  readonly ca?: string | null | undefined
  readonly serve: boolean
  readonly idleTimeoutMs?: number
}

/**
 * Opens the inbox's database. `url` is `sqlite:PATH` or, for MySQL and MariaDB, `mysql://user:password@host:port/name`,
 * with `?tls=verify` for TLS. `ca`: the certificates of the authorities that may have signed the server's, as PEM; null
 * for the usual ones. A server is not contacted yet. `serve`: for a service; a SQLite file can have only one. A server
 * closes a connection that has been idle for `idleTimeoutMs`, and rolls back its open transaction. Throws AppError
 * database.unreachable or database.in_use, for SQLite only.
 */
export const openDatabase = (opening: Opening): Database => openServer(opening) ?? openSqlite(fileOf(opening))

/** Opens the database like openDatabase, with what runs these tasks: SQLite runs them in the thread that writes. */
export function openWithTasks<Task, Result>({
  tasks,
  ...opening
}: Opening & { tasks: Tasks<Task, Result> }): { database: Database; runTask: RunTask<Task, Result> } {
  const server = openServer(opening)
  if (server !== null) return { database: server, runTask: tasks.start(server) }
  const { runTask, ...database } = openSqlite<Task, Result>({ ...fileOf(opening), tasks })
  return { database, runTask }
}

/** null for a SQLite file. */
function openServer({ url, ca = null, idleTimeoutMs = IDLE_TIMEOUT_MS }: Opening): Database | null {
  return url.startsWith('mysql:') ? openMysql({ url, ca, idleTimeoutMs }) : null
}

const fileOf = ({ url, serve }: Opening): { file: string; serve: boolean } => ({
  file: url.replace(/^sqlite:/, ''),
  serve,
})
