import { sql } from 'kysely'
import { type Migration, STATES_LEVEL } from './states.ts'

/** What operators were notified of, and up to where the deliveries and withdrawals were read for that. */
export const NOTICE_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('notices')
        .ifNotExists()
        .addColumn('id', 'varchar(64)', (column) => column.primaryKey().notNull())
        .addColumn('kind', 'varchar(16)', (column) => column.notNull())
        .addColumn('code', 'varchar(32)', (column) => column.notNull())
        .addColumn('subject', 'varchar(255)', (column) => column.notNull())
        .addColumn('detail', sql`mediumtext`, (column) => column.notNull())
        .addColumn('first_at', 'bigint', (column) => column.notNull())
        .addColumn('last_at', 'bigint', (column) => column.notNull())
        .addColumn('count', 'integer', (column) => column.notNull())
        .addColumn('texts', 'integer', (column) => column.notNull())
        .addColumn('sent_at', 'bigint')
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('notice_positions')
        .ifNotExists()
        .addColumn('name', 'varchar(32)', (column) => column.primaryKey().notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('id', 'varchar(26)', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
]
