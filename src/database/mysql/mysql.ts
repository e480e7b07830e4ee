import { Kysely, MysqlDialect, sql } from 'kysely'
import { mysqlServerOf } from '../../service/settings/checks.ts'
import type { Database, Dialect } from '../dialect.ts'
import type { Db, Tables } from '../schema.ts'
import { serverErrorOf } from './errors.ts'
import type { Limits } from './pool.ts'

/**
 * A count of a million deliveries takes seconds, and must neither fail for that nor take the connections of the webhooks.
 * None is kept: after a failover, it would go on leading to the old primary, since nothing is written on it.
 */
const REPORTS: Limits = { connections: 4, statementMs: 60_000, keptMs: 0 }

const DIALECT: Dialect = {
  clock: sql<number>`cast(unix_timestamp(now(3)) * 1000 as signed)`,
  exclusive: false,
  errorKindOf: (error) => {
    if (!(error instanceof Error)) return 'other'
    const known = serverErrorOf(error)?.kind
    if (known !== undefined) return known
    if ('fatal' in error && error.fatal === true) return 'unavailable'
    // A system error such as ECONNREFUSED, or one of the driver's own, such as PROTOCOL_CONNECTION_LOST.
    return 'code' in error && /^(E[A-Z]+$|PROTOCOL_|POOL_)/.test(String(error.code)) ? 'unavailable' : 'other'
  },
}

/** The inbox's database on a MySQL or MariaDB server; see openDatabase. Connects on first use. */
export function openMysql({
  url,
  ca,
  idleTimeoutMs,
}: {
  url: string
  ca: string | null
  idleTimeoutMs: number
}): Database {
  const named = mysqlServerOf(url)
  if (named === null) throw new Error('the URL of the database was not checked') // it may hold the password
  const { hasTls, ...place } = named
  const server = { ...place, tls: hasTls ? { ca } : null }
  const open = (limits?: Limits): Db =>
    new Kysely<Tables>({
      dialect: new MysqlDialect({
        pool: async () => {
          // Only here: with SQLite, the driver's 90 modules would be loaded in vain.
          const { createBoundedPool } = await import('./pool.ts')
          return createBoundedPool({ server, idleTimeoutMs, limits })
        },
      }),
    })
  const [db, reports] = [open(), open(REPORTS)]
  return {
    db,
    reports,
    dialect: DIALECT,
    name: `${server.database} at ${server.host}:${server.port}`, // no @, or the log masks it as an e-mail address
    vacuum: async () => true, // the files belong to the server; see docs/explanation/privacy.md
    place: null,
    close: async () => {
      await Promise.all([db.destroy(), reports.destroy()])
    },
  }
}
