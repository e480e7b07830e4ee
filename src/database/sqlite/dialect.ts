import { sql } from 'kysely'
import type { Dialect } from '../dialect.ts'

/** What is particular to SQLite. It isn't in sqlite.ts, because the thread that writes needs it too. */
export const SQLITE_DIALECT: Dialect = {
  tableOptions: sql``,
  clock: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
  exclusive: true,
  errorKindOf: () => 'other',
}
