import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type Kysely, sql } from 'kysely'
import { openDatabase } from '../../src/deliveries/database.ts'
import { createIds } from '../../src/deliveries/ids.ts'
import { migrate } from '../../src/deliveries/migrations.ts'
import type { DeliveryRow, MigrationRow, Tables } from '../../src/deliveries/schema.ts'
import { createStore } from '../../src/deliveries/store.ts'
import { AppError } from '../../src/errors.ts'
import { accepted, arrival, emptyDatabase, emptyUrl, only, START } from './harness.ts'
import { startChild } from './processes.ts'

const now = () => START

/** What undoes each migration, in the same order. */
const UNDO = ['drop table deliveries', 'drop index deliveries_due', 'drop table events', 'drop table counters']

const oldRow: DeliveryRow = {
  id: 'OLD',
  digest: 'old',
  state: 'succeeded',
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

/** Opens a new database and closes it after `use`. */
async function withDatabase(use: (db: Kysely<Tables>) => Promise<void>): Promise<void> {
  const { url, remove } = await emptyDatabase()
  const { db, close } = openDatabase({ url, serve: false })
  try {
    await use(db)
  } finally {
    await close()
    await remove()
  }
}

const applied = async (db: Kysely<Tables>): Promise<MigrationRow[]> => {
  const rows = await db.selectFrom('migrations').selectAll().orderBy('id').execute()
  return rows.map((row) => ({ ...row })) // node:sqlite gives rows without a prototype
}
const layout = async (db: Kysely<Tables>): Promise<unknown[]> => {
  const { rows } = await sql`select type, name, tbl_name, sql from sqlite_master order by name`.execute(db)
  return rows.map((row) => ({ ...Object(row) }))
}
const works = async (db: Kysely<Tables>): Promise<void> => {
  const store = createStore({ db, me: 'replica-1', now, newId: createIds({ now }) })
  const { id } = only(await store.write([accepted(arrival())]))
  assert.deepEqual(
    (await store.due({ limit: 10, after: null })).map((row) => row.id),
    [id],
  )
}

test('a new database gets every migration once, in order', async () => {
  await withDatabase(async (db) => {
    await migrate({ db, now })
    const rows = await applied(db)
    assert.deepEqual(
      rows.map(({ id, oldest_code, applied_at }) => [id, oldest_code, applied_at]),
      UNDO.map((_, index) => [index + 1, 1, START]),
    )
    await works(db)
  })
})

test('migrating again changes nothing', async () => {
  await withDatabase(async (db) => {
    await migrate({ db, now })
    const before = [await applied(db), await layout(db)]
    await works(db)
    await migrate({ db, now: () => START + 1 })
    assert.deepEqual([await applied(db), await layout(db)], before)
    assert.equal((await db.selectFrom('deliveries').select('id').execute()).length, 1)
  })
})

test('processes that open and migrate a new database at once all succeed', { timeout: 10_000 }, async (t) => {
  const url = await emptyUrl(t)
  const children = await Promise.all([1, 2, 3].map(() => startChild(t, 'migrate', url)))
  const ends = children.map((child) => once(child, 'exit'))
  for (const child of children) child.stdin?.write('\n')
  assert.deepEqual((await Promise.all(ends)).flat(), [0, null, 0, null, 0, null])
  const { db, close } = openDatabase({ url, serve: false })
  assert.equal((await applied(db)).length, UNDO.length)
  await close()
})

for (const from of UNDO.keys()) {
  test(`a database with ${from} of the migrations is brought up to date and keeps its rows`, async () => {
    await withDatabase(async (db) => {
      await migrate({ db, now })
      const wanted = await layout(db)
      for (const undo of UNDO.slice(from).reverse()) await sql.raw(undo).execute(db)
      await db.deleteFrom('migrations').where('id', '>', from).execute()
      if (from > 0) await db.insertInto('deliveries').values(oldRow).execute()
      await migrate({ db, now })
      assert.deepEqual(await layout(db), wanted)
      const rows = await db.selectFrom('deliveries').select(['id', 'digest']).execute()
      assert.deepEqual(
        rows.map(({ id }) => id),
        from > 0 ? ['OLD'] : [],
      )
      await works(db)
    })
  })
}

test('a database of newer code is used as long as this code is not too old for it', async () => {
  await withDatabase(async (db) => {
    await migrate({ db, now })
    const newer = { id: UNDO.length + 1, oldest_code: UNDO.length, applied_at: START }
    await db.insertInto('migrations').values(newer).execute()
    await migrate({ db, now })
    await works(db)
    assert.deepEqual((await applied(db)).at(-1), newer)
  })
})

test('a database that needs newer code is refused and left as it is', async () => {
  await withDatabase(async (db) => {
    await migrate({ db, now })
    const newer = { id: UNDO.length + 1, oldest_code: UNDO.length + 1, applied_at: START }
    await db.insertInto('migrations').values(newer).execute()
    await db.deleteFrom('migrations').where('id', '=', 4).execute()
    const before = await applied(db)
    await assert.rejects(migrate({ db, now }), (error) => {
      assert(error instanceof AppError)
      assert.equal(error.code, 'database.too_new')
      assert.match(error.message, /level 5, this one knows 4/)
      return true
    })
    assert.deepEqual(await applied(db), before)
  })
})
