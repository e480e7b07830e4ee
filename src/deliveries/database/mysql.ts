import { Kysely, MysqlDialect, sql } from 'kysely'
import { AppError } from '../../errors.ts'
import type { Database, Dialect, Trouble } from './dialect.ts'
import { createBoundedPool, type Server } from './mysql-pool.ts'
import type { Tables } from './schema.ts'

const DEFAULT_PORT = 3306

/** Of the server's error numbers, those that say more than that a statement is wrong. */
const TROUBLE: ReadonlyMap<number, Trouble> = new Map([
  ...[
    1050, // table exists
    1060, // column exists
    1061, // index exists
  ].map((number) => [number, 'exists'] as const),
  ...[
    1205, // waited too long for a lock
    1213, // deadlock
    3101, // undone in the commit, for another server of a group had changed the same row
  ].map((number) => [number, 'conflict'] as const),
  ...[
    1040, // too many connections
    1044, // no right to the database (not granted yet)
    1045, // access denied (the user is not made yet)
    1047, // a cluster's node that is not ready
    1049, // unknown database (not made yet)
    1053, // the server shuts down
    1129, // this host is blocked
    1130, // this host may not connect
    1203, // the user has too many connections
    1226, // the user has too many connections, or has done too much for this hour
    1290, // the server is read-only, as during a failover
    1317, // the statement was interrupted
    1698, // access denied
    1820, // the user's password has expired
    1836, // read-only
    1862, // the user's password has expired
    1927, // the connection was killed
    3032, // offline mode
    3118, // the user is locked
    3159, // only encrypted connections may come in
    3169, // the connection was killed
    3955, // the user is locked after too many wrong passwords
    4031, // closed, for nothing was heard for too long
    4151, // the user is locked, by MariaDB
  ].map((number) => [number, 'unavailable'] as const),
])

const DIALECT: Dialect = {
  tableOptions: sql`engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin`,
  clock: sql<number>`cast(unix_timestamp(now(3)) * 1000 as signed)`,
  exclusive: false,
  troubleOf: (error) => {
    if (!(error instanceof Error)) return 'other'
    const known = 'errno' in error ? TROUBLE.get(Number(error.errno)) : undefined
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
    scrub: async () => true, // its files are the server's; see docs/operations.md
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
