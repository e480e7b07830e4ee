import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createLedger } from '../faults/ledger.ts'
import { exchange } from '../harness.ts'
import { temporaryFolder, until } from './process.ts'
import { startLms, startServe } from './serving.ts'

/** A write waits this long for the lock, ms: see BUSY_TIMEOUT_MS in src/database/sqlite/connection.ts. */
const LOCK_WAIT_MS = 5000

test('while another program keeps the file locked, senders who come together don’t wait for it one after the other', {
  timeout: 90_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const lms = await startLms(t)
  const ledger = createLedger({ before: await lms.state() })
  const serving = await startServe({ t, folder, lmsUrl: lms.url, env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
  const sell = (number: number) => ledger.sell(serving.url, { email: `buyer${number}@example.com` })
  assert.equal((await sell(0))?.status, 200)

  const other = new DatabaseSync(join(folder, 'lernito.db'))
  t.after(() => other.close())
  other.exec('begin immediate')
  const began = performance.now()
  const answers = await Promise.all(Array.from({ length: 12 }, (_, number) => sell(number + 1)))
  const tookMs = performance.now() - began
  assert.deepEqual([...new Set(answers.map((answer) => answer?.status))], [503])
  // The first one is written alone, and the others together; what else is written then waits for the lock, too.
  assert.ok(tookMs < 5 * LOCK_WAIT_MS, `${Math.round(tookMs)} ms`)
  const line = await serving.logged(({ msg }) => msg === 'database unavailable; webhooks are refused')
  assert.match(JSON.stringify(line), /lernito\.db can't be used: database is locked\./)

  other.exec('rollback')
  const ready = async () =>
    (await exchange({ url: `${serving.url}/readyz`, method: 'GET' })).status === 200 || undefined
  await until('the lock to be free', ready)
  for (let number = 1; number <= 12; number++) assert.equal((await sell(number))?.status, 200)
})
