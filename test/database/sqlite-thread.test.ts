import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { createWriter } from '../../src/database/sqlite/writer.ts'
import { temporaryFolder } from '../service/process.ts'

test('what is written before the close is stored, and what comes after it is rejected instead of waiting', async (t) => {
  const file = join(temporaryFolder(t), 'lernito.db')
  const writer = createWriter({ file })
  await writer.run('create table sales (id integer)', [])
  const before = writer.run('insert into sales values (1)', [])
  const closing = writer.close()
  const after = writer.run('insert into sales values (2)', [])
  await assert.rejects(after, /the database is closed/)
  assert.equal((await before).changes, 1)
  await closing
  await assert.rejects(writer.run('select 1', []), /the database is closed/)
})

test('a writer that never wrote is closed without a thread', async (t) => {
  const writer = createWriter({ file: join(temporaryFolder(t), 'lernito.db') })
  await writer.close()
  await assert.rejects(writer.run('select 1', []), /the database is closed/)
})
