import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { readFailedWithdrawals } from '../../../src/operators/reports/failed-withdrawals.ts'
import { startWithOperations } from './withdrawing.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'
const ALICE = 'alice@example.com'
const DAY_MS = 24 * 3_600_000
const product = await startWithOperations()
const { lms, sold, withdraw, operations, context } = product
const { db } = context.database
after(() => product.stopAll())
beforeEach(async () => {
  for (const table of ['deliveries', 'events', 'delivery_lines'] as const) {
    await db.deleteFrom(table).execute()
  }
  await lms.reset()
})

/** A withdrawal that leaves the buyer in the course, whose mode is paid. */
async function kept(): Promise<string> {
  const id = await sold(ALICE, [HONOR])
  await lms.seed({ enrollments: [{ email: ALICE, course: HONOR, mode: 'verified', active: true }] })
  await withdraw(id)
  return id
}
const failed = async (): Promise<string[]> =>
  (await operations.overview()).failedWithdrawals.map(({ deliveryId }) => deliveryId)

test('a withdrawal that left a course is among the failed ones for a week, until another one succeeds', async () => {
  const id = await kept()
  const [found, ...others] = (await operations.overview()).failedWithdrawals
  assert.deepEqual([others, found?.deliveryId, found?.by, found?.isRefund], [[], id, 'alice', false])
  assert.match(found?.result ?? '', /^course-v1:Lernito\+Honor\+2026: .*verified/)
  assert.deepEqual(await readFailedWithdrawals({ db, now: Date.now() + 8 * DAY_MS }), [])
  await withdraw(id, { paid: true })
  assert.deepEqual(await failed(), [])
})

test('one whose delivery was handled, or sent again, needs nobody', async () => {
  const id = await kept()
  await operations.markHandled({ id, note: 'unenrolled by hand', by: 'bob' })
  assert.deepEqual(await failed(), [])
  await db.updateTable('deliveries').set({ state: 'enrolled' }).where('id', '=', id).execute()
  assert.deepEqual(await failed(), [id])
  await sold(ALICE, [HONOR])
  assert.deepEqual(await failed(), [])
})

test('one that succeeded is left out', async () => {
  const id = await sold('new@example.com')
  await withdraw(id)
  assert.deepEqual(await failed(), [])
})
