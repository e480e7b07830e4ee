import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import { AppError, type ErrorCode } from '../../src/service/lib/errors.ts'
import { accepted, arrival, emptyUrl, joined, only } from '../queue/harness.ts'
import { startChild } from './processes.ts'

const now = Date.now
const refused = (code: ErrorCode) => (error: unknown) => error instanceof AppError && error.code === code
const storeOn = async (url: string, me: string, serve: boolean) => {
  const database = openDatabase({ url, serve })
  await migrate({ database, now })
  return { ...database, ...(await joined({ database, me, now })) }
}

test('missing folders of the database are created', async (t) => {
  const url = (await emptyUrl(t)).replace('lernito.db', 'a/b/lernito.db')
  const { close } = openDatabase({ url, serve: true })
  await close()
  assert((await readdir(url.replace('sqlite:', '').replace('/lernito.db', ''))).includes('lernito.db'))
})

test('a second service on one file is refused until the first has closed it', async (t) => {
  const url = await emptyUrl(t)
  const first = openDatabase({ url, serve: true })
  assert.throws(() => openDatabase({ url, serve: true }), refused('database.in_use'))
  await first.close()
  await openDatabase({ url, serve: true }).close()
})

test('a command reads and writes while a service runs', async (t) => {
  const url = await emptyUrl(t)
  const service = await storeOn(url, 'service', true)
  const command = await storeOn(url, 'service', false)
  const { id } = only(await command.store.write([accepted(arrival())]))
  assert.equal(only(await service.store.due({ limit: 10, after: null })).id, id)
  assert.equal((await service.store.write([accepted(arrival())]))[0]?.id, id)
  await command.close()
  assert.throws(() => openDatabase({ url, serve: true }), refused('database.in_use'))
  await service.close()
})

test('a transaction that begins with a read can write: no other connection writes in between', async (t) => {
  const url = await emptyUrl(t)
  const database = openDatabase({ url, serve: false })
  const { db, close } = database
  await migrate({ database, now })
  const command = new DatabaseSync(url.replace('sqlite:', ''), { timeout: 0 })
  await db.transaction().execute(async (trx) => {
    await trx.selectFrom('rounds').selectAll().execute()
    assert.throws(() => command.exec("insert into rounds values ('R1', 1)"), /database is locked/)
    await trx.deleteFrom('rounds').execute()
  })
  command.exec("insert into rounds values ('R1', 1)")
  command.close()
  await close()
})

test('a statement can name more ids than SQLite takes values', async (t) => {
  const { store, db, close } = await storeOn(await emptyUrl(t), 'service', true)
  const { id } = only(await store.write([accepted(arrival())]))
  const ids = Array.from({ length: 40_000 }, (_, n) => `NONE${n}`).concat(id)
  const named = await db.selectFrom('deliveries').select('id').where('id', 'in', ids).execute()
  assert.equal(only(named).id, id)
  const done = db.updateTable('deliveries').set({ attempts: 7 }).where('id', 'in', ids).where('attempts', 'in', [0])
  assert.equal((await done.executeTakeFirst()).numUpdatedRows, 1n)
  const numbers = Array.from({ length: 40_000 }, (_, n) => n)
  const numbered = await db.selectFrom('deliveries').select('id').where('attempts', 'in', numbers).execute()
  assert.equal(numbered.length, 1)
  await close()
})

test('a killed service releases the file at once, and the next one has what it left', {
  timeout: 30_000,
}, async (t) => {
  const url = await emptyUrl(t)
  const dead = await startChild(t, 'serve', url)
  assert.throws(() => openDatabase({ url, serve: true }), refused('database.in_use'))
  const exit = once(dead, 'exit')
  dead.kill('SIGKILL')
  await exit
  const next = await storeOn(url, 'next', true)
  const { id } = only(await next.store.due({ limit: 10 }))
  assert.deepEqual(only(await next.store.readClaimed([id])).request, arrival().request)
  await next.close()
})

test('a file that is not a database is refused and its lock released', async (t) => {
  const url = await emptyUrl(t)
  const file = url.replace('sqlite:', '')
  await writeFile(file, 'this was never a database, '.repeat(100))
  for (let i = 0; i < 2; i++) {
    assert.throws(
      () => openDatabase({ url, serve: true }),
      (error) => {
        assert(error instanceof AppError)
        assert.equal(error.code, 'database.unreachable')
        assert.match(error.message, /file is not a database.*LERNITO_DATABASE_URL/)
        return true
      },
    )
  }
})

test('an unusable lock file is not mistaken for another service', async (t) => {
  const url = await emptyUrl(t)
  await writeFile(`${url.replace('sqlite:', '')}.lock`, 'this was never a database, '.repeat(100))
  assert.throws(() => openDatabase({ url, serve: true }), refused('database.unreachable'))
})

test('a folder that cannot be created is refused', async (t) => {
  const url = await emptyUrl(t)
  await writeFile(url.replace('sqlite:', ''), '')
  assert.throws(() => openDatabase({ url: `${url}/lernito.db`, serve: false }), refused('database.unreachable'))
})
