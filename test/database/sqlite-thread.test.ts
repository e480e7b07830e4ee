import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import { connectInThread } from '../../src/database/sqlite/thread.ts'
import { temporaryFolder } from '../service/process.ts'

test('what is written before the close is stored, and what comes after it is rejected instead of waiting', async (t) => {
  const file = join(temporaryFolder(t), 'lernito.db')
  const writer = connectInThread({ file, to: 'write' })
  await writer.run('create table sales (id integer)', [])
  const before = writer.run('insert into sales values (1)', [])
  const closing = writer.close()
  const after = writer.run('insert into sales values (2)', [])
  await assert.rejects(after, /the database is closed/)
  assert.equal((await before).changes, 1)
  await closing
  await assert.rejects(writer.run('select 1', []), /the database is closed/)
})

test('a connection that ran nothing is closed without a thread', async (t) => {
  const writer = connectInThread({ file: join(temporaryFolder(t), 'lernito.db'), to: 'write' })
  await writer.close()
  await assert.rejects(writer.run('select 1', []), /the database is closed/)
})

test('a count that takes long holds up no other statement, and nothing can be written where it runs', async (t) => {
  const { db, reports, close } = openDatabase({ url: `sqlite:${join(temporaryFolder(t), 'lernito.db')}`, serve: false })
  t.after(close)
  const ended: string[] = []
  const count = sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) select count(*) from n`
  const counting = count.execute(reports).then(() => ended.push('the count'))
  await sql`select 1`.execute(db).then(() => ended.push('another read'))
  await sql`create table sales (id integer)`.execute(db).then(() => ended.push('a write'))
  await counting
  assert.deepEqual(ended, ['another read', 'a write', 'the count'])
  await assert.rejects(sql`insert into sales values (1)`.execute(reports), /only reads/)
})
