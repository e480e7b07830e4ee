import { sql } from 'kysely'
import type { Migration } from './migrations-states.ts'

/** Older code records no incidents, and works with a database that has this table. */
const LEVEL = 22

/** When the LMS or the database was away. */
export const INCIDENT_MIGRATIONS: readonly Migration[] = [
  {
    // `open_kind` is the kind until the incident ends: the unique key merges what several replicas report.
    oldestCode: LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('incidents')
        .ifNotExists()
        .addColumn('id', 'varchar(26)', (column) => column.primaryKey().notNull())
        .addColumn('kind', 'varchar(16)', (column) => column.notNull())
        .addColumn('open_kind', 'varchar(16)', (column) => column.unique())
        .addColumn('cause', sql`mediumtext`, (column) => column.notNull())
        .addColumn('started_at', 'bigint', (column) => column.notNull())
        .addColumn('seen_at', 'bigint', (column) => column.notNull())
        .addColumn('ended_at', 'bigint')
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: LEVEL,
    up: (db) => db.schema.createIndex('incidents_started').on('incidents').columns(['started_at', 'id']).execute(),
  },
]
