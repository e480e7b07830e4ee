import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { threadId } from 'node:worker_threads'
import { type Kysely, sql } from 'kysely'
import { openWithTasks } from '../../src/database/database.ts'
import type { Tables } from '../../src/database/schema.ts'
import { temporaryFolder } from '../service/process.ts'
import { SELL_TASKS } from './task-program.ts'

async function open(t: TestContext) {
  const url = `sqlite:${join(temporaryFolder(t), 'lernito.db')}`
  const { database, runTask } = openWithTasks({ url, serve: false, tasks: SELL_TASKS })
  t.after(database.close)
  await sql`create table sales (id integer primary key)`.execute(database.db)
  return { db: database.db, runTask }
}

const count = async (db: Kysely<Tables>): Promise<number> => {
  const { rows } = await sql<{ count: number }>`select count(*) as count from sales`.execute(db)
  return rows[0]?.count ?? 0
}

test('on SQLite a task runs in the thread that writes, and is committed when it resolves', async (t) => {
  const { db, runTask } = await open(t)
  assert.notEqual(await runTask({ kind: 'where' }), threadId)
  assert.equal(await runTask({ kind: 'sell', fails: false }), 2)
  assert.equal(await count(db), 2)
})

test('a task that fails leaves nothing, and its error comes with its code and where it was thrown', async (t) => {
  const { db, runTask } = await open(t)
  await assert.rejects(runTask({ kind: 'sell', fails: true }), (error: Error & { code?: unknown }) => {
    assert.equal(error.message, 'sold out')
    assert.equal(error.code, 'SOLD_OUT')
    assert.match(error.stack ?? '', /task-program/)
    return true
  })
  assert.equal(await count(db), 0)
  assert.equal(await runTask({ kind: 'sell', fails: false }), 2)
})

test('tasks and transactions wait for each other’s end, in order, and an urgent task comes first', async (t) => {
  const { db, runTask } = await open(t)
  const order: string[] = []
  const note = (what: string) => (): void => void order.push(what)
  const began = Promise.withResolvers<void>()
  const mayEnd = Promise.withResolvers<void>()
  const first = db.transaction().execute(async (trx) => {
    await sql`insert into sales default values`.execute(trx)
    began.resolve()
    await mayEnd.promise
    order.push('the first transaction ends')
  })
  await began.promise
  const task = runTask({ kind: 'sell', fails: false }).finally(note('the task ended'))
  const urgent = runTask({ kind: 'sell', fails: false, isUrgent: true }).finally(note('the urgent task ended'))
  const second = db
    .transaction()
    .execute((trx) => sql`insert into sales default values`.execute(trx))
    .finally(note('the second transaction ended'))
  mayEnd.resolve()
  assert.equal(await urgent, 3)
  assert.equal(await task, 5)
  await Promise.all([first, second])
  assert.deepEqual(order, [
    'the first transaction ends',
    'the urgent task ended',
    'the task ended',
    'the second transaction ended',
  ])
  assert.equal(await count(db), 6)
})
