import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { renameStates } from './rename-states.ts'

export interface Migration {
  /** The lowest number of migrations that code must know to work with a database that has this one. */
  readonly oldestCode: number
  readonly up: (
    db: Kysely<Tables>,
    tableOptions: RawBuilder<unknown>,
    keyedOptions: RawBuilder<unknown>,
  ) => Promise<void>
}

/**
 * The level that has the new states. Older code would neither find nor understand them. Migrations after it only add, so
 * code that knows this level works with a database that has them.
 */
export const STATES_LEVEL = 22

/** Migrations 22 and later: the states that say what is true in the LMS, and what operators can change. */
export const STATE_MIGRATIONS: readonly Migration[] = [
  { oldestCode: STATES_LEVEL, up: renameStates },
  {
    oldestCode: STATES_LEVEL,
    up: async (db) => {
      await sql`update events set kind = case when detail like '%allowed in %' then 'pre_enrolled' else 'enrolled' end where kind = 'succeeded'`.execute(
        db,
      )
    },
  },
  {
    oldestCode: STATES_LEVEL,
    up: async (db) => {
      await db.updateTable('counters').set({ name: 'enrolled' }).where('name', '=', 'succeeded').execute()
    },
  },
  {
    oldestCode: STATES_LEVEL,
    up: async (db) => {
      await sql`update bulk_replays set filter = replace(replace(filter, '"waiting"', '"queued"'), '"succeeded"', '"enrolled","pre_enrolled"')`.execute(
        db,
      )
    },
  },
  { oldestCode: STATES_LEVEL, up: renameBulkReplayColumn },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('deliveries').addColumn('standings', sql`mediumtext`).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema
        .alterTable('deliveries')
        .addColumn('source', 'varchar(16)', (column) => column.notNull().defaultTo('shop'))
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('deliveries').addColumn('replaces', 'varchar(26)').execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('deliveries').addColumn('replaced_by', 'varchar(26)').execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('leases')
        .ifNotExists()
        .addColumn('name', 'varchar(48)', (column) => column.primaryKey().notNull())
        .addColumn('owner', 'varchar(36)', (column) => column.notNull())
        .addColumn('until', 'bigint', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db, tableOptions) =>
      db.schema
        .createTable('withdrawals')
        .ifNotExists()
        .addColumn('id', 'varchar(26)', (column) => column.primaryKey().notNull())
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addColumn('courses', sql`mediumtext`, (column) => column.notNull())
        .addColumn('paid', 'integer', (column) => column.notNull())
        .addColumn('generation', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('owner', 'varchar(36)')
        .addColumn('effect_unknown', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('actor', 'varchar(254)', (column) => column.notNull())
        .addColumn('requested_at', 'bigint', (column) => column.notNull())
        .addColumn('due_at', 'bigint', (column) => column.notNull())
        .addColumn('attempts', 'integer', (column) => column.notNull())
        .addColumn('ended_at', 'bigint')
        .addColumn('result', sql`mediumtext`)
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema.createIndex('withdrawals_delivery').on('withdrawals').columns(['delivery_id', 'id']).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) =>
      db.schema.createIndex('withdrawals_due').on('withdrawals').columns(['ended_at', 'due_at', 'id']).execute(),
  },
  {
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.alterTable('deliveries').addColumn('webhook_id', 'varchar(256)').execute(),
  },
  {
    // One delivery for each webhook-id, whichever replica receives it. Both databases allow any number of nulls.
    oldestCode: STATES_LEVEL,
    up: (db) => db.schema.createIndex('deliveries_webhook_id').on('deliveries').column('webhook_id').unique().execute(),
  },
]

/** MySQL commits each statement, so an interrupted migration, or another process now, may have renamed the column. */
async function renameBulkReplayColumn(db: Kysely<Tables>): Promise<void> {
  if (await isRenamed(db)) return
  try {
    await sql`alter table bulk_replays rename column succeeded to enrolled`.execute(db)
  } catch (error) {
    if (!(await isRenamed(db))) throw error
  }
}

async function isRenamed(db: Kysely<Tables>): Promise<boolean> {
  const tables = await db.introspection.getTables()
  const columns = tables.find(({ name }) => name === 'bulk_replays')?.columns ?? []
  return columns.some(({ name }) => name === 'enrolled')
}
