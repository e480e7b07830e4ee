import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDatabaseClock } from '../../src/database/dialect.ts'
import { onSqlite, setUp } from '../queue/harness.ts'

const HOUR_MS = 3_600_000

test('stored times follow the server’s clock, whatever this machine’s clock shows; SQLite uses this machine’s clock', async (t) => {
  const { database } = await setUp(t)
  let ahead = HOUR_MS
  const clock = createDatabaseClock({ database, wall: () => Date.now() + ahead })
  const off = (): number => Math.round((clock.now() - Date.now()) / HOUR_MS) + 0 // not -0
  assert.equal(off(), 1, 'before anything was measured')
  await clock.measure()
  assert.equal(off(), onSqlite() ? 1 : 0)
  ahead = -HOUR_MS
  assert.equal(off(), onSqlite() ? -1 : 0)
  assert.ok(Number.isInteger(clock.now()))
})
