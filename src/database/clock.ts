import { sql } from 'kysely'
import type { Database } from './dialect.ts'

/** An answer that took longer (ms) says too little about the moment at which the clock was read. */
const SLOW_MS = 1000

export interface DatabaseClock {
  /** ms since 1970, a whole number */
  now(): number
  /** To be called at each heartbeat. Throws what the database throws. */
  measure(): Promise<void>
}

/**
 * The clock by which times are written into rows and compared with them: the database's, for the replicas' own clocks
 * differ. Between two measurements it runs on with this process's monotonic clock, so that neither a wrong clock of this
 * machine nor one that is set changes anything. Before the first, and for SQLite, whose clock is this machine's, it is
 * `wall` (ms since 1970).
 */
export function createDatabaseClock({
  database: { db, dialect },
  wall,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  wall: () => number
}): DatabaseClock {
  let measured: { readonly theirs: number; readonly at: number } | null = null
  return {
    now: () => (measured === null ? wall() : Math.round(measured.theirs + performance.now() - measured.at)),
    measure: async () => {
      if (dialect.exclusive) return
      const asked = performance.now()
      const { rows } = await sql<{ theirs: number }>`select ${dialect.clock} as theirs`.execute(db)
      const answered = performance.now()
      if (measured !== null && answered - asked > SLOW_MS) return
      measured = { theirs: Number(rows[0]?.theirs), at: (asked + answered) / 2 }
    },
  }
}
