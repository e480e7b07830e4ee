import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openDatabase } from '../../../src/database/database.ts'
import type { Database } from '../../../src/database/dialect.ts'
import { KNOWN_LEVEL, migrate, statementFor, statementsOf } from '../../../src/database/migrations/migrations.ts'
import type { MigrationRow } from '../../../src/database/schema.ts'
import { AppError } from '../../../src/service/lib/errors.ts'
import { accepted, arrival, emptyDatabase, emptyUrl, joined, only, onSqlite, START } from '../../queue/harness.ts'
import { until } from '../../service/process.ts'
import { layoutOf } from '../dialects.ts'
import { startChild } from '../processes.ts'

const now = () => START
const STATEMENTS = statementsOf('initial-schema.sql')

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
const layoutOfNew = async (): Promise<unknown> => {
  let layout: unknown
  await withDatabase(async (database) => {
    await migrate({ database, now })
    layout = await layoutOf(database)
  })
  return layout
}

test('a new database gets the schema once', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const first = await applied(database)
    assert.deepEqual(
      first.map(({ id, applied_at: at }) => [id, at]),
      Array.from({ length: KNOWN_LEVEL }, (_, index) => [index + 1, START]),
    )
    await works(database)
    const before = await layoutOf(database)
    await migrate({ database, now: () => START + 1 })
    assert.deepEqual([await applied(database), await layoutOf(database)], [first, before])
    assert.equal((await database.db.selectFrom('deliveries').select('id').execute()).length, 1)
  })
})

test('processes that create the schema at the same time all succeed, though one of them is killed', {
  timeout: 120_000,
}, async (t) => {
  const url = await emptyUrl(t)
  const children = await Promise.all([1, 2, 3].map(() => startChild(t, 'migrate', url)))
  const ends = children.map((child) => once(child, 'exit'))
  for (const child of children) child.stdin?.write('\n')
  const database = openDatabase({ url, serve: false })
  t.after(database.close)
  await until('the first table', async () => (await database.db.introspection.getTables()).length > 0)
  children[0]?.kill('SIGKILL')
  await ends[0]
  assert.deepEqual((await Promise.all(ends.slice(1))).flat(), [0, null, 0, null])
  assert.equal((await applied(database)).length, KNOWN_LEVEL)
  assert.deepEqual(await layoutOf(database), await layoutOfNew())
})

// SQLite rolls back the unfinished transaction of a process that dies.
if (!onSqlite()) {
  test('a process that died after any statement of the schema leaves what the next one completes', async () => {
    const wanted = await layoutOfNew()
    for (const count of STATEMENTS.keys()) {
      await withDatabase(async (database) => {
        const { db } = database
        for (const statement of STATEMENTS.slice(0, count)) {
          await statementFor(statement, db).execute(db)
        }
        await migrate({ database, now })
        assert.deepEqual(await layoutOf(database), wanted, `after ${count} statements`)
      })
    }
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

test('a database of newer code is used unless this code is too old for it', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const newer = { id: KNOWN_LEVEL + 1, oldest_code: KNOWN_LEVEL, applied_at: START }
    await database.db.insertInto('migrations').values(newer).execute()
    await migrate({ database, now })
    await works(database)
    assert.deepEqual((await applied(database)).at(-1), newer)
  })
})

test('a database that needs newer code is refused and not changed', async () => {
  await withDatabase(async (database) => {
    await migrate({ database, now })
    const newer = { id: KNOWN_LEVEL + 1, oldest_code: KNOWN_LEVEL + 1, applied_at: START }
    await database.db.insertInto('migrations').values(newer).execute()
    await database.db.schema.dropTable('senders').execute()
    const before = [await applied(database), await layoutOf(database)]
    await assert.rejects(migrate({ database, now }), (error) => {
      assert(error instanceof AppError)
      assert.equal(error.code, 'database.too_new')
      assert.match(
        error.message,
        new RegExp(`to level ${KNOWN_LEVEL + 1}, and this version supports only level ${KNOWN_LEVEL}\\.`),
      )
      return true
    })
    assert.deepEqual([await applied(database), await layoutOf(database)], before)
  })
})
