import { sql } from 'kysely'
import { type Migration, STATES_LEVEL } from './states.ts'

/** Refunds: the webhook-ids that they came with, and which withdrawals they ordered. */
export const REFUND_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('webhook_ids')
        .ifNotExists()
        .addColumn('webhook_id', 'varchar(256)', (column) => column.primaryKey().notNull())
        .addColumn('purpose', 'varchar(8)', (column) => column.notNull())
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addColumn('digest', 'varchar(64)')
        .addColumn('orders', sql`mediumtext`)
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema.createIndex('webhook_ids_delivery').on('webhook_ids').columns(['delivery_id', 'received_at']).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('withdrawals').addColumn('refund_id', 'varchar(26)').execute(),
  },
]
