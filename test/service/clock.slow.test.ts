import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { LONGEST_WAIT_MS } from '../../src/queue/retry-schedule.ts'
import { startProduct } from '../harness.ts'
import { until } from './process.ts'
import { BULK } from './serving.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 3_600_000

for (const days of [1, 3]) {
  test(`after a clock that was ${days} days ahead is corrected, the next start retries on the original schedule`, async (t) => {
    const env = { LERNITO_ANSWER_WITHIN_MS: '0' }
    const wrong = await startProduct({ now: () => Date.now() + days * DAY_MS, env })
    await wrong.lms.faults([{ method: 'POST', path: BULK, status: 500 }])
    await wrong.sell({ email: 'alice@example.com' })
    await until('a retry', () => wrong.log.find(({ event }) => event === 'retry_scheduled'))
    await wrong.stop({ keep: true })
    const right = await startProduct({ folder: wrong.folder, env })
    t.after(() => right.stop())
    const { db, close } = openDatabase({ url: `sqlite:${right.folder}/lernito.db`, serve: false })
    t.after(close)
    const { due_at } = await db.selectFrom('deliveries').select('due_at').executeTakeFirstOrThrow()
    const comesIn = Number(due_at) - Date.now()
    assert.ok(comesIn > 1_000 && comesIn < 5_500, `after ${comesIn} ms`)
    await until('the end', () => right.log.find(({ event }) => event === 'enrolled'))
  })
}

test('a start brings an attempt forward that is scheduled further ahead than any retry', async (t) => {
  const env = { LERNITO_ANSWER_WITHIN_MS: '0' }
  const before = await startProduct({ env })
  await before.lms.faults([{ method: 'POST', path: BULK, status: 500 }])
  for (const email of ['far@example.com', 'near@example.com']) await before.sell({ email })
  const waits = () => before.log.filter(({ event }) => event === 'retry_scheduled').length === 2 || undefined
  await until('the retries', waits)
  await before.stop({ keep: true })
  const { db, close } = openDatabase({ url: `sqlite:${before.folder}/lernito.db`, serve: false })
  t.after(close)
  const postpone = (email: string, ms: number) =>
    db
      .updateTable('deliveries')
      .set({ due_at: Date.now() + ms })
      .where('email', '=', email)
      .execute()
  await postpone('far@example.com', LONGEST_WAIT_MS + MINUTE_MS)
  await postpone('near@example.com', LONGEST_WAIT_MS - MINUTE_MS)
  const next = await startProduct({ folder: before.folder, env })
  t.after(() => next.stop())
  await until('the far one', () => next.log.find(({ event }) => event === 'pre_enrolled'))
  const rows = await db.selectFrom('deliveries').select(['email', 'state']).orderBy('email').execute()
  assert.deepEqual(
    rows.map(({ email, state }) => [email, state]),
    [
      ['far@example.com', 'pre_enrolled'],
      ['near@example.com', 'queued'],
    ],
  )
})
