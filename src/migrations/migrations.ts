import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { Database } from '../database/dialect.ts'
import type { Tables } from '../database/schema.ts'
import { AppError } from '../errors.ts'
import { CONSOLE_MIGRATIONS } from './console.ts'
import { LATE_CALL_MIGRATIONS } from './late-calls.ts'
import { NOTICE_MIGRATIONS } from './notices.ts'
import { ORDER_MIGRATIONS } from './order.ts'
import { OUTBOX_MIGRATIONS } from './outbox.ts'
import { REFUND_MIGRATIONS } from './refunds.ts'
import { SEARCH_MIGRATIONS } from './search.ts'
import { type Migration, STATE_MIGRATIONS } from './states.ts'

/** SQLite treats mediumtext and mediumblob as text and blob. MySQL's text and blob hold at most 65,535 bytes. */
const longText = sql`mediumtext`
const longBytes = sql`mediumblob`

/** In order, with one DDL statement each, because MySQL commits after each. A released migration never changes. */
const MIGRATIONS: readonly Migration[] = [
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('deliveries')
        .ifNotExists()
        .addColumn('id', 'varchar(26)', (column) => column.primaryKey().notNull())
        .addColumn('digest', 'varchar(64)', (column) => column.notNull().unique())
        .addColumn('state', 'varchar(16)', (column) => column.notNull())
        .addColumn('owner', 'varchar(36)')
        .addColumn('due_at', 'bigint')
        .addColumn('attempts', 'integer', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .addColumn('settled_at', 'bigint')
        .addColumn('active_at', 'bigint', (column) => column.notNull())
        .addColumn('email', 'varchar(254)')
        .addColumn('form', 'varchar(16)', (column) => column.notNull())
        .addColumn('body', longBytes, (column) => column.notNull())
        .addColumn('request', longText)
        .addColumn('outcome', longText)
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    // The last column is email, so that the query for due rows reads the index alone.
    oldestCode: 1,
    up: (db) =>
      db.schema
        .createIndex('deliveries_due')
        .on('deliveries')
        .columns(['owner', 'state', 'due_at', 'id', 'email'])
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('events')
        .ifNotExists()
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addColumn('id', 'varchar(26)', (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('kind', 'varchar(24)', (column) => column.notNull())
        .addColumn('detail', longText, (column) => column.notNull())
        .addColumn('actor', 'varchar(254)')
        .addPrimaryKeyConstraint('events_key', ['delivery_id', 'id'])
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('counters')
        .ifNotExists()
        .addColumn('day', 'varchar(10)', (column) => column.notNull())
        .addColumn('name', 'varchar(48)', (column) => column.notNull())
        .addColumn('count', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('counters_key', ['day', 'name'])
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('replicas')
        .ifNotExists()
        .addColumn('id', 'varchar(36)', (column) => column.primaryKey().notNull())
        .addColumn('seen_at', 'bigint', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db) => db.schema.createIndex('deliveries_active').on('deliveries').columns(['active_at', 'id']).execute(),
  },
  { oldestCode: 1, up: (db) => db.schema.alterTable('deliveries').addColumn('username', 'varchar(255)').execute() },
  { oldestCode: 1, up: (db) => db.schema.alterTable('deliveries').addColumn('course', 'varchar(255)').execute() },
  { oldestCode: 1, up: (db) => db.schema.alterTable('deliveries').addColumn('enrolled_at', 'bigint').execute() },
  { oldestCode: 1, up: (db) => db.schema.alterTable('deliveries').addColumn('replayed_at', 'bigint').execute() },
  // A person has few deliveries, so a query by person can sort the rows it reads. A course or a state has many.
  { oldestCode: 1, up: (db) => createIndex(db, 'deliveries_email', ['email', 'id']) },
  { oldestCode: 1, up: (db) => createIndex(db, 'deliveries_username', ['username', 'id']) },
  { oldestCode: 1, up: (db) => createIndex(db, 'deliveries_course', ['course', 'active_at', 'id']) },
  { oldestCode: 1, up: (db) => createIndex(db, 'deliveries_state', ['state', 'active_at', 'id']) },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('further_courses')
        .ifNotExists()
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .addColumn('course', 'varchar(255)', (column) => column.notNull())
        .addColumn('active_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('further_courses_key', ['delivery_id', 'course'])
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db) =>
      db.schema
        .createIndex('further_courses_course')
        .on('further_courses')
        .columns(['course', 'active_at', 'delivery_id'])
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('audit')
        .ifNotExists()
        .addColumn('event_id', 'varchar(26)', (column) => column.primaryKey().notNull())
        .addColumn('delivery_id', 'varchar(26)', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('bulk_replays')
        .ifNotExists()
        .addColumn('id', 'varchar(26)', (column) => column.primaryKey().notNull())
        .addColumn('filter', longText, (column) => column.notNull())
        .addColumn('succeeded', 'integer', (column) => column.notNull())
        .addColumn('actor', 'varchar(254)', (column) => column.notNull())
        .addColumn('started_at', 'bigint', (column) => column.notNull())
        .addColumn('ended_at', 'bigint')
        .addColumn('state', 'varchar(16)', (column) => column.notNull())
        .addColumn('replayed', 'bigint', (column) => column.notNull())
        .addColumn('total', 'bigint')
        .addColumn('came_to_at', 'bigint', (column) => column.notNull())
        .addColumn('came_to_id', 'varchar(26)', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
  {
    oldestCode: 1,
    up: (db, tableOptions) =>
      db.schema
        .createTable('console_sessions')
        .ifNotExists()
        .addColumn('id', 'varchar(64)', (column) => column.primaryKey().notNull())
        .addColumn('username', 'varchar(254)', (column) => column.notNull())
        .addColumn('refresh_token', longText)
        .addColumn('started_at', 'bigint', (column) => column.notNull())
        .addColumn('confirmed_at', 'bigint', (column) => column.notNull())
        .addColumn('renew_at', 'bigint', (column) => column.notNull())
        .modifyEnd(tableOptions)
        .execute(),
  },
  { oldestCode: 1, up: (db) => addCounter(db, 'generation') },
  { oldestCode: 1, up: (db) => addCounter(db, 'effect_unknown') },
  ...STATE_MIGRATIONS,
  ...OUTBOX_MIGRATIONS,
  ...NOTICE_MIGRATIONS,
  ...REFUND_MIGRATIONS,
  ...SEARCH_MIGRATIONS,
  ...CONSOLE_MIGRATIONS,
  ...LATE_CALL_MIGRATIONS,
  ...ORDER_MIGRATIONS,
]

/** The number of migrations that this code knows: the level to which it migrates a database. */
export const KNOWN_LEVEL = MIGRATIONS.length

type Column = keyof Tables['deliveries']

/** With a default, because an older replica on the same database inserts rows without the column. */
const addCounter = (db: Kysely<Tables>, name: Column): Promise<void> =>
  db.schema
    .alterTable('deliveries')
    .addColumn(name, 'integer', (column) => column.notNull().defaultTo(0))
    .execute()

const createIndex = (db: Kysely<Tables>, name: string, columns: Column[]): Promise<void> =>
  db.schema.createIndex(name).on('deliveries').columns(columns).execute()

/**
 * Migrates the database to this code's level. A database of newer code can be used if its migrations allow code of this
 * level; otherwise it throws AppError database.too_new.
 *
 * Several processes may migrate at the same time, and one may be killed halfway. SQLite allows one transaction at a time
 * and rolls it back if its process dies. MySQL commits after each statement, so a step counts as done if its object
 * exists: another process created it, or one that died before it could record the step.
 */
export function migrate({
  database: { db, dialect },
  now,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  now: () => number
}): Promise<void> {
  return db.transaction().execute(async (trx) => {
    const done = await readApplied(trx, dialect.tableOptions)
    for (const [index, { up, oldestCode }] of MIGRATIONS.entries()) {
      const id = index + 1
      if (done.has(id)) continue
      try {
        await up(trx, dialect.tableOptions, dialect.keyedOptions)
      } catch (error) {
        if (dialect.errorKindOf(error) !== 'exists') throw error
      }
      const row = { id, oldest_code: oldestCode, applied_at: now() }
      await trx.insertInto('migrations').ignore().values(row).execute()
    }
  })
}

async function readApplied(trx: Transaction<Tables>, tableOptions: RawBuilder<unknown>): Promise<Set<number>> {
  await trx.schema
    .createTable('migrations')
    .ifNotExists()
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('oldest_code', 'integer', (column) => column.notNull())
    .addColumn('applied_at', 'bigint', (column) => column.notNull())
    .modifyEnd(tableOptions)
    .execute()
  const applied = await trx.selectFrom('migrations').select(['id', 'oldest_code']).execute()
  const needed = Math.max(0, ...applied.map((row) => row.oldest_code))
  if (needed > MIGRATIONS.length) {
    throw new AppError(
      'database.too_new',
      `The database was migrated by a newer lernito-openedx (it needs level ${needed}, this one knows ${MIGRATIONS.length}). Start that version or a newer one, or restore the backup from before the upgrade.`,
    )
  }
  return new Set(applied.map((row) => row.id))
}
