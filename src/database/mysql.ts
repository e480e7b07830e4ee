import { Kysely, MysqlDialect, sql } from 'kysely'
import { AppError } from '../errors.ts'
import type { Database, Dialect } from './dialect.ts'
import { serverErrorOf } from './mysql-errors.ts'
import { createBoundedPool, type Server } from './mysql-pool.ts'
import type { Tables } from './schema.ts'

const DEFAULT_PORT = 3306

const DIALECT: Dialect = {
  tableOptions: sql`engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin`,
  clock: sql<number>`cast(unix_timestamp(now(3)) * 1000 as signed)`,
  exclusive: false,
  troubleOf: (error) => {
    if (!(error instanceof Error)) return 'other'
    const known = serverErrorOf(error)?.trouble
    if (known !== undefined) return known
    if ('fatal' in error && error.fatal === true) return 'unavailable'
    // A system's error, such as ECONNREFUSED, or the driver's own PROTOCOL_CONNECTION_LOST and the like.
    return 'code' in error && /^(E[A-Z]+$|PROTOCOL_|POOL_)/.test(String(error.code)) ? 'unavailable' : 'other'
  },
}

/** An inbox on a MySQL or MariaDB server; see openDatabase. Connects when it is first used. */
export function openMysql({ url, silentMs }: { url: string; silentMs: number }): Database {
  const server = readServer(url)
  const db = new Kysely<Tables>({
    dialect: new MysqlDialect({ pool: async () => createBoundedPool({ server, silentMs }) }),
  })
  return {
    db,
    dialect: DIALECT,
    name: `${server.database} at ${server.host}:${server.port}`, // without an @, which the log takes for an e-mail's
    scrub: async () => true, // its files are the server's; see docs/explanation/privacy.md
    close: () => db.destroy(),
  }
}

/** What is wrong with the URL is not said in its own words: they may hold the password. */
function readServer(url: string): Server {
  try {
    const { hostname, port, username, password, pathname } = new URL(url)
    return {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? DEFAULT_PORT : Number(port),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
    }
  } catch {
    throw new AppError(
      'database.unreachable',
      'LERNITO_DATABASE_URL is not of the form mysql://user:password@host:port/name. Write special characters of the password as %XX.',
    )
  }
}
