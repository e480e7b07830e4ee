import { sql } from 'kysely'
import { type Migration, STATES_LEVEL } from './states.ts'

/** The transactional outbox: the events for the shop, and what is known of its endpoint. */
export const OUTBOX_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('outbox')
        .ifNotExists()
        .addColumn('id', 'varchar(26)', (column) => column.primaryKey().notNull())
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addColumn('type', 'varchar(32)', (column) => column.notNull())
        .addColumn('body', sql`mediumtext`, (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('due_at', 'bigint', (column) => column.notNull())
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .addColumn('attempts', 'integer', (column) => column.notNull())
        .addColumn('owner', 'varchar(36)')
        .addColumn('failed_at', 'bigint')
        .addColumn('error', sql`mediumtext`)
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.createIndex('outbox_due').on('outbox').columns(['failed_at', 'due_at', 'id']).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema.createIndex('outbox_delivery').on('outbox').columns(['delivery_id', 'failed_at', 'id']).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('endpoints')
        .ifNotExists()
        .addColumn('name', 'varchar(16)', (column) => column.primaryKey().notNull())
        .addColumn('url_digest', 'varchar(64)', (column) => column.notNull())
        .addColumn('state', 'varchar(8)', (column) => column.notNull())
        .addColumn('failures', 'integer', (column) => column.notNull())
        .addColumn('since', 'bigint')
        .addColumn('probe_at', 'bigint', (column) => column.notNull())
        .addColumn('error', sql`mediumtext`)
        .addColumn('error_at', 'bigint')
        .addColumn('sent_at', 'bigint')
        .modifyEnd(tableOptions)
        .execute(),
  },
]
