import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import type { Database } from '../../src/database/dialect.ts'
import type { DeliveryRow, MigrationRow } from '../../src/database/schema.ts'
import { AppError } from '../../src/errors.ts'
import { migrate } from '../../src/migrations/migrations.ts'
import { layoutOf, undo } from '../database/dialects.ts'
import { startChild } from '../database/processes.ts'
import { accepted, arrival, emptyDatabase, emptyUrl, joined, only, onSqlite, START } from '../inbox/harness.ts'

const now = () => START

/** What each migration creates, in the same order. */
const MADE = [
  'table deliveries',
  'index deliveries_due',
  'table events',
  'table counters',
  'table replicas',
  'index deliveries_active',
  'column username',
  'column course',
  'column enrolled_at',
  'column replayed_at',
  'index deliveries_email',
  'index deliveries_username',
  'index deliveries_course',
  'index deliveries_state',
  'table further_courses',
  'index further_courses_course',
  'table audit',
  'table bulk_replays',
  'table console_sessions',
  'column generation',
  'column effect_unknown',
  'update deliveries',
  'update events',
  'update counters',
  'update bulk_replays',
  'rename bulk_replays',
  'column standings',
  'column source',
  'column replaces',
  'column replaced_by',
  'table leases',
  'table withdrawals',
  'index withdrawals_delivery',
  'index withdrawals_due',
  'column webhook_id',
  'index deliveries_webhook_id',
  'table outbox',
  'index outbox_due',
  'index outbox_delivery',
  'table endpoints',
  'table notices',
  'table notice_positions',
  'table webhook_ids',
  'index webhook_ids_delivery',
  'column refund_id',
  'table search_words',
  'column words',
  'column words_version',
  'index deliveries_words_version',
  'index deliveries_received',
  'table incidents',
  'index incidents_started',
  'column calls',
  'table replayed_deliveries',
  'table senders',
  'column answer',
  'column lands_until',
  'column unenrolls_until',
  'column last_event',
  'column events.seq',
  'column outbox.seq',
]

/** Of the columns that the first migration creates. */
const oldRow: Omit<
  DeliveryRow,
  | 'username'
  | 'course'
  | 'enrolled_at'
  | 'lands_until'
  | 'replayed_at'
  | 'generation'
  | 'effect_unknown'
  | 'standings'
  | 'source'
  | 'replaces'
  | 'replaced_by'
  | 'webhook_id'
  | 'words'
  | 'words_version'
  | 'last_event'
> = {
  id: 'OLD',
  digest: 'old',
  state: 'enrolled',
  owner: null,
  due_at: null,
  attempts: 0,
  received_at: START,
  settled_at: START,
  active_at: START,
  email: 'old@example.com',
  form: 'raw',
  body: Buffer.from('{}'),
  request: null,
  outcome: null,
}

/** The index of the first migration that old code can't work with. */
const STATES = MADE.indexOf('update deliveries')

/** Opens a new database and closes it after `use`. */
async function withDatabase(use: (database: Database) => Promise<void>): Promise<void> {
  const { url, remove } = await emptyDatabase()
  const database = openDatabase({ url, serve: false })
  try {
    await use(database)
  } finally {
    await database.close()
    await remove()
  }
}

const applied = async ({ db }: Database): Promise<MigrationRow[]> => {
  const rows = await db.selectFrom('migrations').selectAll().orderBy('id').execute()
  return rows.map((row) => ({ ...row })) // node:sqlite gives rows without a prototype
}
const works = async (database: Database): Promise<void> => {
  const { store } = await joined({ database, me: 'replica-1', now })
  const { id } = only(await store.write([accepted(arrival())]))
  assert.deepEqual(
    (await store.due({ limit: 10, after: null })).map((row) => row.id),
    [id],
  )
}

test('a new database gets every migration once, in order', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const rows = await applied(database)
    assert.deepEqual(
      rows.map(({ id, oldest_code, applied_at }) => [id, oldest_code, applied_at]),
      MADE.map((_, index) => [index + 1, index < STATES ? 1 : STATES + 1, START]),
    )
    await works(database)
  })
})

test('migrating again changes nothing', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const before = [await applied(database), await layoutOf(database)]
    await works(database)
    await migrate({ database, now: () => START + 1 })
    assert.deepEqual([await applied(database), await layoutOf(database)], before)
    assert.equal((await database.db.selectFrom('deliveries').select('id').execute()).length, 1)
  })
})

test('processes that open and migrate a new database at the same time all succeed', { timeout: 10_000 }, async (t) => {
  const url = await emptyUrl(t)
  const children = await Promise.all([1, 2, 3].map(() => startChild(t, 'migrate', url)))
  const ends = children.map((child) => once(child, 'exit'))
  for (const child of children) child.stdin?.write('\n')
  assert.deepEqual((await Promise.all(ends)).flat(), [0, null, 0, null, 0, null])
  const database = openDatabase({ url, serve: false })
  t.after(database.close)
  assert.equal((await applied(database)).length, MADE.length)
})

for (const from of MADE.keys()) {
  test(`a database with ${from} of the migrations gets the rest and keeps its rows`, async () => {
    await withDatabase(async (database) => {
      await migrate({ database, now })
      const wanted = await layoutOf(database)
      for (const what of MADE.slice(from).reverse()) await undo({ database, what })
      await database.db.deleteFrom('migrations').where('id', '>', from).execute()
      if (from > 0) await database.db.insertInto('deliveries').values(oldRow).execute()
      await migrate({ database, now })
      assert.deepEqual(await layoutOf(database), wanted)
      const rows = await database.db.selectFrom('deliveries').select(['id', 'digest']).execute()
      assert.deepEqual(
        rows.map(({ id }) => id),
        from > 0 ? ['OLD'] : [],
      )
      await works(database)
    })
  })
}

test('a database of newer code is used unless this code is too old for it', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const newer = { id: MADE.length + 1, oldest_code: MADE.length, applied_at: START }
    await database.db.insertInto('migrations').values(newer).execute()
    await migrate({ database, now })
    await works(database)
    assert.deepEqual((await applied(database)).at(-1), newer)
  })
})

test('a database that needs newer code is refused and not changed', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const newer = { id: MADE.length + 1, oldest_code: MADE.length + 1, applied_at: START }
    await database.db.insertInto('migrations').values(newer).execute()
    await database.db.deleteFrom('migrations').where('id', '=', 4).execute()
    const before = await applied(database)
    await assert.rejects(migrate({ database, now }), (error) => {
      assert(error instanceof AppError)
      assert.equal(error.code, 'database.too_new')
      assert.match(error.message, new RegExp(`level ${MADE.length + 1}, this one knows ${MADE.length}`))
      return true
    })
    assert.deepEqual(await applied(database), before)
  })
})

// SQLite rolls back the unfinished transaction of a process that dies.
if (!onSqlite()) {
  test('a step that a dead process finished but did not record counts as done', async () => {
    await withDatabase(async (database) => {
      await migrate({ database, now })
      const before = [await applied(database), await layoutOf(database)]
      await database.db.deleteFrom('migrations').execute()
      await migrate({ database, now })
      assert.deepEqual([await applied(database), await layoutOf(database)], before)
      await works(database)
    })
  })

  test('texts are compared exactly, letter case included, whatever the default collation of the database', async () => {
    await withDatabase(async (database) => {
      await migrate({ database, now })
      const columns = await layoutOf(database)
      const collations = new Set(columns.map((column) => Object(column).collation_name))
      assert.deepEqual(collations, new Set(['utf8mb4_bin', null, '']))
    })
  })
}
