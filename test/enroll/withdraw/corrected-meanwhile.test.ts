import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { FAILING, startWithHeldCalls } from './held-calls.ts'
import { refund } from './refunding.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
const ALICE = 'alice@example.com'
const product = await startWithHeldCalls({ answerWithinMs: 2000 })
const { lms, db, url, sold, stateOf, operations, openOrders, activeIn, allEnded, log } = product

const correct = (id: string) => operations.correct({ id, courseIds: [CLEAN], withdraw: null, by: 'alice' })
/** As after the last attempt of each order. */
const lastAttempt = () =>
  until('the end', async () => {
    const open = db.updateTable('delivery_lines').where('withdrawal_state', '=', 'open')
    await open.set({ withdrawal_attempts: 1000, withdrawal_at: 0 }).execute()
    return (await openOrders()).length === 0 || undefined
  })

test('a sale isn’t corrected while its refund is open, so the buyer is out when the refund says 200', async () => {
  const id = await sold(ALICE)
  await lms.faults(FAILING)
  assert.equal((await refund({ url, email: ALICE, id: 'r_1' })).status, 202)
  assert.deepEqual(await correct(id), { kind: 'withdrawing', id })
  await lms.noFaults()
  await allEnded()
  const { status, json } = await refund({ url, email: ALICE, id: 'r_1' })
  assert.deepEqual([status, await activeIn(ALICE)], [200, []], JSON.stringify([json, await log(id)]))
  const corrected = await correct(id)
  assert.equal(corrected.kind, 'corrected', 'an operator may still sell another course in its place')
})

test('nor while an operator’s withdrawal of one of its courses is open', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.faults(FAILING)
  await operations.withdraw({ id, courses: [DEMO], paid: false, by: 'bob' })
  assert.deepEqual(await operations.previewCorrection({ id, email: 'new@example.com' }), { kind: 'withdrawing', id })
  assert.deepEqual(await correct(id), { kind: 'withdrawing', id })
  assert.equal(await stateOf(id), 'enrolled')
})

test('a refund that has failed is no reason not to correct its sale', async () => {
  const id = await sold(ALICE)
  await lms.faults(FAILING)
  await refund({ url, email: ALICE, id: 'r_1' })
  await lastAttempt()
  assert.equal((await correct(id)).kind, 'corrected')
})
