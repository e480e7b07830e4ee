import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { purgeStep } from '../../src/queue/retention.ts'
import { startProduct } from '../harness.ts'
import { temporaryFolder } from '../service/process.ts'

const DAY_MS = 86_400_000

/** What stands in the database's files, read or not. */
const bytesIn = (folder: string): string =>
  readdirSync(folder)
    .map((name) => readFileSync(join(folder, name)).toString('latin1'))
    .join()

test('when retention has deleted everything, nothing of it is left in the database’s files', async (t) => {
  const folder = temporaryFolder(t)
  const product = await startProduct({ folder })
  const people = Array.from({ length: 120 }, (_, i) => `buyer.number.${i}@example.com`)
  for (const email of people) assert.equal((await product.sell({ email, name: 'Kilimanjaro' })).status, 200)
  await product.stop({ keep: true })
  assert.ok(bytesIn(folder).includes('buyer.number.7@example.com'))

  const database = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
  const { db, close } = database
  await db.updateTable('deliveries').set({ state: 'enrolled' }).execute() // retention keeps pre-enrolled ones
  assert.equal(await purgeStep({ database, random: Math.random, before: Date.now() + DAY_MS }), people.length)
  await close()
  const left = bytesIn(folder)
  for (const word of ['buyer.number', 'Kilimanjaro', 'courseIds']) assert.ok(!left.includes(word), word)
})
