import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { TIMING } from '../../../src/queue/replicas/timing.ts'
import { type Buyer, DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { holdCalls } from '../../service/serving.ts'
import { refund as post } from './refunding.ts'
import { startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ALICE = 'alice@example.com'
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
/** The connection is cut at once, and the LMS carries out the call when the hold ends. */
const LATE = { method: 'POST', path: MODIFY, drop: 'at_once', delayMs: 1, times: 1 }
const hold = holdCalls()
const env = { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '700', LERNITO_LMS_CONCURRENCY: '4' }
const product = await startWithOperations({ lms: { sleep: hold.sleep }, env, timing: { ...TIMING, landsMs: 3000 } })
const { lms, sold, show, stateOf, operations } = product
const { db } = product.context.database
after(() => product.stopAll())
beforeEach(async () => {
  hold.release()
  await lms.noFaults()
  await until('quiet', async () => ((await openOrders()).length === 0 ? true : undefined))
  for (const table of ['deliveries', 'events', 'withdrawals', 'webhook_ids'] as const) {
    await db.deleteFrom(table).execute()
  }
  await lms.reset()
  hold.renew()
})

const refund = (buyer: Partial<Buyer> & { id?: string; sale?: unknown } = {}) =>
  post({ url: product.url, email: ALICE, ...buyer })
const openOrders = () => db.selectFrom('withdrawals').selectAll().where('ended_at', 'is', null).execute()
const activeIn = async (): Promise<string[]> =>
  (await lms.state()).enrollments
    .filter((row) => row.email === ALICE && row.active)
    .map(({ course }) => course)
    .sort()
const bringForward = () => db.updateTable('withdrawals').set({ due_at: 0 }).where('ended_at', 'is', null).execute()
const allEnded = async () => {
  await until('the end of all orders', async () => {
    await bringForward()
    return (await openOrders()).length === 0 || undefined
  })
  await until('no queued delivery', async () => {
    const queued = await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()
    return queued.length === 0 || undefined
  })
}

test('a course that was refunded stays away when another course of its sale is enrolled once more', async () => {
  await sold(ALICE, [PYTHON])
  await lms.faults([{ ...LATE, delayMs: 0, status: 502, drop: undefined }])
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202, 'the LMS fails for a while')
  const bundle = await sold(ALICE, [DEMO, PYTHON])
  assert.equal(await stateOf(bundle), 'enrolled')
  assert.equal((await refund({ courseIds: [DEMO], sale: bundle, id: 'refund_demo' })).status, 200)
  assert.deepEqual(await activeIn(), [PYTHON])
  await allEnded()
  const log = (await operations.timeline(bundle)).map(({ kind, detail }) => `${kind}: ${detail}`)
  assert.deepEqual(await activeIn(), [PYTHON], log.join('\n'))
  assert.deepEqual((await show(bundle)).outcome?.courses, { [PYTHON]: 'enrolled' })
})

test('an open refund of a course is not dropped when another course of its sale is enrolled once more', async () => {
  await sold(ALICE, [PYTHON])
  await lms.faults([{ ...LATE, delayMs: 0, status: 502, drop: undefined, times: 2 }])
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
  const log = (await operations.timeline(bundle)).map(({ kind, detail }) => `${kind}: ${detail}`)
  const again = await refund({ courseIds: [DEMO], sale: bundle, id: 'refund_demo' })
  assert.deepEqual([await activeIn(), again.status], [[PYTHON], 200], log.join('\n'))
})

test('a course that our late call undid is enrolled once more, also if another course was refunded since', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.faults([LATE])
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202)
  assert.equal((await product.sell({ email: ALICE, courseIds: [DEMO, PYTHON] })).status, 200, 'sold again')
  assert.equal((await refund({ courseIds: [DEMO] })).status, 200)
  assert.deepEqual(await activeIn(), [PYTHON])
  hold.release()
  await until('the late call', async () => (await activeIn()).length === 0 || undefined)
  await allEnded()
  const log = (await operations.timeline(id)).map(({ kind, detail }) => `${kind}: ${detail}`)
  log.push(JSON.stringify([await stateOf(id), (await show(id)).outcome]))
  assert.deepEqual(await activeIn(), [PYTHON], log.join('\n'))
})
