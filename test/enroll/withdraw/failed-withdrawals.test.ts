import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { readBacklog } from '../../../src/operators/reports/overview.ts'
import { purgeStep } from '../../../src/queue/retention.ts'
import { startWithOperations } from './withdrawing.ts'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const HONOR = 'course-v1:Lernito+Honor+2026'
const ALICE = 'alice@example.com'
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

test('a withdrawal that left a course is among the failed ones until another one succeeds', async () => {
  const id = await kept()
  const [found, ...others] = (await operations.overview()).failedWithdrawals
  assert.deepEqual([others, found?.deliveryId, found?.by, found?.isRefund], [[], id, 'alice', false])
  assert.match(found?.result ?? '', /^course-v1:Lernito\+Honor\+2026: .*verified/)
  await withdraw(id, { paid: true })
  assert.deepEqual(await failed(), [])
})

test('one whose delivery was handled, or sent again, needs nobody', async () => {
  const id = await kept()
  await operations.markHandled({ id, as: 'settled', note: 'unenrolled by hand', by: 'bob' })
  assert.deepEqual(await failed(), [])
  await db.updateTable('deliveries').set({ state: 'enrolled' }).where('id', '=', id).execute()
  assert.deepEqual(await failed(), [id])
  await sold(ALICE, [HONOR])
  assert.deepEqual(await failed(), [])
})

test('a delivery with a failed withdrawal is never deleted, unless somebody has handled it since', async () => {
  const id = await kept()
  const purged = () => purgeStep({ ...context, before: Number.MAX_SAFE_INTEGER })
  assert.equal(await purged(), 0)
  await operations.markHandled({ id, as: 'settled', note: 'the buyer may stay', by: 'bob' })
  assert.equal(await purged(), 1)
})

test('the metrics count a failed one of two courses once, until another one succeeds', async () => {
  const counted = async () => (await readBacklog(db)).withdrawalsFailed
  const id = await sold(ALICE, [HONOR, DEMO])
  await lms.seed({
    enrollments: [HONOR, DEMO].map((course) => ({ email: ALICE, course, mode: 'verified', active: true })),
  })
  await withdraw(id)
  assert.equal(await counted(), 1)
  await withdraw(id, { paid: true })
  assert.equal(await counted(), 0)
})

test('one that succeeded is left out', async () => {
  const id = await sold('new@example.com')
  await withdraw(id)
  assert.deepEqual(await failed(), [])
})
