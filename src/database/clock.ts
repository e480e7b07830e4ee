import { sql } from 'kysely'
import type { Database } from './dialect.ts'

/** An answer that takes longer (ms) says too little about when the server read its clock. */
const SLOW_MS = 1000

export interface DatabaseClock {
  /** ms since 1970, a whole number */
  now(): number
  /** Call it at each heartbeat. Throws what the database throws. */
  measure(): Promise<void>
}

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
