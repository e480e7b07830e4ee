import { sql } from 'kysely'
import { type Migration, STATES_LEVEL } from './states.ts'

/** The index of words, by which a search finds a delivery. */
export const SEARCH_MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: STATES_LEVEL,
    up: (db, _tableOptions, keyedOptions) =>
      db.schema
        .createTable('search_words')
        .ifNotExists()
        .addColumn('token', 'varchar(32)', (column) => column.notNull())
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addPrimaryKeyConstraint('search_words_key', ['token', 'delivery_id'])
        .modifyEnd(keyedOptions)
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('deliveries').addColumn('words', sql`mediumtext`).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema
        .alterTable('deliveries')
        .addColumn('words_version', 'integer', (column) => column.notNull().defaultTo(0))
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema.createIndex('deliveries_words_version').on('deliveries').columns(['words_version', 'id']).execute(),
  },
  {
    // Has all columns of the reports about sales, which then read the index alone.
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema
        .createIndex('deliveries_received')
        .on('deliveries')
        .columns(['received_at', 'state', 'course'])
        .execute(),
  },
]
