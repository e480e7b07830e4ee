import type { Migration } from './migrations-states.ts'

/** Older code counts refused webhooks in memory, and works with a database that has this table. */
const LEVEL = 22

/** Who sent webhooks lately: what was refused, and which secret the others were signed with. */
export const REFUSED_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('senders')
        .ifNotExists()
        .addColumn('address', 'varchar(64)', (column) => column.notNull())
        .addColumn('result', 'varchar(24)', (column) => column.notNull())
        .addColumn('first_at', 'bigint', (column) => column.notNull())
        .addColumn('last_at', 'bigint', (column) => column.notNull())
        .addColumn('count', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('senders_key', ['address', 'result'])
        .modifyEnd(tableOptions)
        .execute(),
  },
]
