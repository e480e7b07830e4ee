import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Buyer, DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { UNENROLL } from '../../service/serving.ts'
import { LATE, startWithHeldCalls } from './held-calls.ts'
import { refund as post } from './refunding.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ALICE = 'alice@example.com'
const product = await startWithHeldCalls({ answerWithinMs: 700 })
const { lms, db, hold, sold, show, stateOf, openOrders, allEnded, log } = product

const refund = (buyer: Partial<Buyer> & { id?: string; sale?: unknown } = {}) =>
  post({ url: product.url, email: ALICE, ...buyer })
const activeIn = () => product.activeIn(ALICE)

test('a course that was refunded stays away when another course of its sale is enrolled once more', async () => {
  await sold(ALICE, [PYTHON])
  await lms.faults([{ ...LATE, path: UNENROLL, delayMs: 0, status: 502, drop: undefined }])
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202, 'the LMS fails for a while')
  const bundle = await sold(ALICE, [DEMO, PYTHON])
  assert.equal(await stateOf(bundle), 'enrolled')
  assert.equal((await refund({ courseIds: [DEMO], sale: bundle, id: 'refund_demo' })).status, 200)
  assert.deepEqual(await activeIn(), [PYTHON])
  await allEnded()
  const events = await log(bundle)
  assert.deepEqual(await activeIn(), [PYTHON], events)
  assert.deepEqual((await show(bundle)).outcome?.courses, { [PYTHON]: 'enrolled' })
})

test('an open refund of a course is not dropped when another course of its sale is enrolled once more', async () => {
  await sold(ALICE, [PYTHON])
  await lms.faults([{ ...LATE, path: UNENROLL, delayMs: 0, status: 502, drop: undefined, times: 2 }])
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202)
  const bundle = await sold(ALICE, [DEMO, PYTHON])
  assert.equal((await refund({ courseIds: [DEMO], sale: bundle, id: 'refund_demo' })).status, 202)
  assert.equal((await openOrders()).length, 2)
  // The older one comes first.
  const [first] = (await openOrders()).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  await until('the end of the first', async () => {
    await db
      .updateTable('withdrawals')
      .set({ due_at: 0 })
      .where('id', '=', first?.id ?? '')
      .execute()
    return (await openOrders()).length === 1 || undefined
  })
  await allEnded()
  const events = await log(bundle)
  const again = await refund({ courseIds: [DEMO], sale: bundle, id: 'refund_demo' })
  assert.deepEqual([await activeIn(), again.status], [[PYTHON], 200], events)
})

test('a course that our late call undid is enrolled once more, also if another course was refunded since', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.faults([{ ...LATE, path: UNENROLL }])
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202)
  assert.equal((await product.sell({ email: ALICE, courseIds: [DEMO, PYTHON] })).status, 200, 'sold again')
  assert.equal((await refund({ courseIds: [DEMO] })).status, 200)
  assert.deepEqual(await activeIn(), [PYTHON])
  hold.release()
  await until('the late call', async () => (await activeIn()).length === 0 || undefined)
  await allEnded()
  const events = await log(id)
  assert.deepEqual(await activeIn(), [PYTHON], `${events}\n${JSON.stringify((await show(id)).outcome)}`)
})
