import { sql } from 'kysely'
import type { Migration } from './migrations-states.ts'

/** Older code stores no calls with its events, and works with a database that has this column. */
const LEVEL = 22

/** The calls to the LMS of an attempt, in the event that has its result. */
export const CALL_MIGRATIONS: readonly Migration[] = [
  { oldestCode: LEVEL, up: (db) => db.schema.alterTable('events').addColumn('calls', sql`mediumtext`).execute() },
]
