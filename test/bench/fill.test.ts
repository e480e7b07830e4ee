import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { filledSqlite } from '../../bench/fill/open-filled.ts'
import { countByState } from '../../src/operators/reports/counts.ts'
import { temporaryFolder } from '../service/process.ts'

test('the bench fills a database of today’s schema, in which the due deliveries can be claimed', async (t) => {
  const folder = join(temporaryFolder(t), 'filled')
  const { database, store, close } = await filledSqlite({ folder, stored: 210, due: 2, apartMs: 1000 })
  t.after(close)
  const due = await store.due({ limit: 10 })
  const deliveries = await store.readClaimed(due.map(({ id }) => id))
  assert.deepEqual(
    deliveries.map(({ state, person }) => [state, person]),
    [208, 209].map((n) => ['queued', `buyer${n}@example.com`]),
  )
  const { queued, needs_attention, pre_enrolled, enrolled } = await countByState(database.db)
  assert.deepEqual([queued, needs_attention, pre_enrolled, enrolled], [2, 2, 3, 203])
})
