import { MysqlAdapter, type RawBuilder, sql } from 'kysely'
import type { Db } from './schema.ts'
import type { Place } from './sqlite/file.ts'

/**
 * What a failed statement means.
 * - `exists`: the object to create exists already.
 * - `conflict`: another transaction came first; this one can be rolled back and retried.
 * - `unavailable`: the database can't be reached or refuses to serve. Whether the last commit took effect is unknown.
 * - `other`: a retry would fail again.
 */
type ErrorKind = 'exists' | 'conflict' | 'unavailable' | 'other'

/** Where SQLite and MySQL differ for this service. The text of the statements is the same for both. */
export interface Dialect {
  /** The database's own clock, ms since 1970: the only clock that all replicas share. */
  readonly clock: RawBuilder<number>
  /** Whether only one service at a time can hold the database, so that any other replica in its tables is dead. */
  readonly exclusive: boolean
  readonly errorKindOf: (error: unknown) => ErrorKind
}

/** Whether statements go to MySQL or MariaDB, where two kinds of databases need different ones. */
export const isMysql = (db: Pick<Db, 'getExecutor'>): boolean => db.getExecutor().adapter instanceof MysqlAdapter

export interface Database {
  readonly db: Db
  /** For reads that may take long, such as counts: on SQLite they hold up nothing else, which `db` does. */
  readonly reports: Db
  readonly dialect: Dialect
  /** For operators and logs: without the password. */
  readonly name: string
  /**
   * Removes deleted data from the files of a SQLite database. `traces` are texts that the deleted rows held. Resolves to
   * false if a trace remains because the file is large: rewriting it takes long and needs `evenIfLarge`.
   */
  vacuum(options: { traces: readonly string[]; evenIfLarge: boolean }): Promise<boolean>
  /** Where the file of a SQLite database is; null for a server. */
  readonly place: Place | null
  close(): Promise<void>
}

/** An answer that takes longer (ms) says too little about when the server read its clock. */
const SLOW_MS = 1000

/**
 * The clock for all times that are written into rows or compared with them. It is the database's clock, because the
 * clocks of the replicas differ. Between two measurements it advances with this process's monotonic clock, so a wrong or
 * adjusted clock on this machine changes nothing. Before the first measurement it is `wall` (ms since 1970). On SQLite
 * it is always `wall`, because the database's clock is this machine's.
 */
export function createDatabaseClock({
  database: { db, dialect },
  wall,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  wall: () => number
}) {
  let measured: { readonly theirs: number; readonly at: number } | null = null
  return {
    /** ms since 1970, a whole number */
    now: () => (measured === null ? wall() : Math.round(measured.theirs + performance.now() - measured.at)),
    /** Call it at each heartbeat. Throws what the database throws. */
    measure: async (): Promise<void> => {
      if (dialect.exclusive) return
      const asked = performance.now()
      const { rows } = await sql<{ theirs: number }>`select ${dialect.clock} as theirs`.execute(db)
      const answered = performance.now()
      if (measured !== null && answered - asked > SLOW_MS) return
      measured = { theirs: Number(rows[0]?.theirs), at: (asked + answered) / 2 }
    },
  }
}
export type DatabaseClock = ReturnType<typeof createDatabaseClock>
