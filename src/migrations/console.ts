import { sql } from 'kysely'
import { type Migration, STATES_LEVEL } from './states.ts'

/** What the console shows beyond deliveries and their events. */
export const CONSOLE_MIGRATIONS: readonly Migration[] = [
  // When the LMS or the database was away.
  {
    // `open_kind` is the kind until the incident ends: the unique key merges what several replicas report.
    oldestCode: STATES_LEVEL,
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
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.createIndex('incidents_started').on('incidents').columns(['started_at', 'id']).execute(),
  },
  // The calls to the LMS of an attempt, in the event that has its result.
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('events').addColumn('calls', sql`mediumtext`).execute(),
  },
  // Which deliveries a bulk replay made due, so that it can show what came of them.
  {
    oldestCode: STATES_LEVEL,
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
  // Who sent webhooks lately: what was refused, and which secret the others were signed with.
  {
    oldestCode: STATES_LEVEL,
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
  // What the shop was answered, in the event of its request.
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('events').addColumn('answer', 'varchar(64)').execute(),
  },
]
