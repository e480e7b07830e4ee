import type { Migration } from './migrations-states.ts'

/** Older code stores no deliveries of its bulk replays, and works with a database that has this table. */
const LEVEL = 22

/** Which deliveries a bulk replay made due, so that it can show what came of them. */
export const REPLAY_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('replayed_deliveries')
        .ifNotExists()
        .addColumn('replay_id', 'varchar(26)', (column) => column.notNull())
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addPrimaryKeyConstraint('replayed_deliveries_key', ['replay_id', 'delivery_id'])
        .modifyEnd(tableOptions)
        .execute(),
  },
]
