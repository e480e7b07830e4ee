import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { refund as post } from './refunding.ts'
import { startWithOperations } from './withdrawing.ts'

// Each of these is a sequence that somebody could live through: two sales, two addresses, staff between two calls, a lost
// answer. What is asserted is what the buyer has in the LMS, and what the shop was told.

const PYTHON = 'course-v1:Lernito+PY101+2026'
const HONOR = 'course-v1:Lernito+Honor+2026'
const MISSING = 'course-v1:No+Such+Course'
const [ALICE, BOB, NEW] = ['alice@example.com', 'bob@example.com', 'new@example.com']

const product = await startWithOperations({
  env: { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '2000', LERNITO_COURSE_MODE: `${HONOR}=verified` },
})
const { lms, url, sell, sold, stateOf, withdraw, operations, context } = product
const { db } = context.database
after(() => product.stopAll())
beforeEach(async () => {
  await lms.noFaults()
  await allSettled()
  for (const table of ['deliveries', 'events', 'delivery_lines', 'webhook_ids', 'holds'] as const)
    await db.deleteFrom(table).execute()
  await lms.reset()
})

const allSettled = () =>
  until('the end of all', async () => {
    await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
    await db.updateTable('deliveries').set({ due_at: 0 }).where('state', '=', 'queued').execute()
    const queued = await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()
    const open = await db
      .selectFrom('delivery_lines')
      .select('position')
      .where('withdrawal_state', '=', 'open')
      .execute()
    return queued.length + open.length === 0 || undefined
  })
const refund = async (email: string, of: { courseIds?: readonly string[]; sale?: string } = {}) => {
  const { status, json } = await post({ url, email, ...of })
  return [status, Reflect.get(Object(json), 'kept') ?? []]
}
const soldAs = async (name: string, email = ALICE, courseIds = [DEMO]): Promise<string> =>
  String((await sell({ email, name, courseIds })).headers['x-lernito-delivery'])
const activeIn = async (email: string): Promise<string[]> =>
  (await lms.state()).enrollments
    .filter((row) => row.email === email && row.active)
    .map(({ course, mode }) => `${course} ${mode}`)
    .sort()
const staffSets = (email: string, active: boolean, { course = DEMO, mode = 'audit' } = {}) =>
  lms.seed({ enrollments: [{ email, course, mode, active }] })
const sale = (delivery: string) => ({ course: DEMO, reason: 'sale', delivery })
const had = (course = DEMO) => ({ course, reason: 'had_before' })

test('staff put a buyer out and in again between two sales of ours: what we gave first goes with the last refund', async () => {
  const first = await soldAs('First')
  await staffSets(ALICE, false)
  await staffSets(ALICE, true)
  const second = await soldAs('Second')
  assert.deepEqual(await refund(ALICE, { sale: first }), [200, [sale(second)]])
  assert.deepEqual([await refund(ALICE, { sale: second }), await activeIn(ALICE)], [[200, []], []])
})

test('a buyer whom staff had enrolled buys twice and gets both sales refunded: the row of the staff stays', async () => {
  await staffSets(ALICE, true)
  const [first, second] = [await soldAs('First'), await soldAs('Second')]
  assert.deepEqual(await refund(ALICE, { sale: first }), [200, [sale(second)]])
  assert.deepEqual(await refund(ALICE, { sale: second }), [200, [had()]])
  assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
})

for (const first of [0, 1]) {
  test(`two sales of a paid mode to a learner who was there in a free one: it is back with the last refund (${first})`, async () => {
    await staffSets(ALICE, true, { course: HONOR, mode: 'honor' })
    const ids = [await soldAs('First', ALICE, [HONOR]), await soldAs('Second', ALICE, [HONOR])]
    const [one = '', other = ''] = first === 0 ? ids : ids.toReversed()
    await refund(ALICE, { courseIds: [HONOR], sale: one })
    assert.deepEqual(await activeIn(ALICE), [`${HONOR} verified`])
    assert.deepEqual(await refund(ALICE, { courseIds: [HONOR], sale: other }), [200, [had(HONOR)]])
    assert.deepEqual(await activeIn(ALICE), [`${HONOR} honor`])
  })
}

test('an allowance that staff had made enrolls the buyer after the sale: a refund leaves the enrollment', async () => {
  await lms.seed({ allowances: [{ email: NEW, course: DEMO, auto_enroll: true, used: false }] })
  await sold(NEW)
  await lms.people({ email: NEW, username: 'newcomer', active: false })
  await lms.activate(NEW)
  assert.deepEqual([await refund(NEW), await activeIn(NEW)], [[200, [had()]], [`${DEMO} audit`]])
})

test('the answer to the unenrolling call is lost: the refund ends once the buyer is seen to be out', async () => {
  const id = await sold(ALICE)
  await lms.faults([{ method: 'POST', path: UNENROLL, drop: 'after', times: 1 }])
  await refund(ALICE)
  await allSettled()
  assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'withdrawn'])
  assert.deepEqual(await refund(ALICE), [200, []])
})

test('a sale is corrected to another address, and then refunded under the one that was sold: only the right buyer is out', async () => {
  await staffSets(ALICE, true)
  const id = await sold('alicia@example.com')
  const corrected = await operations.correct({ id, email: BOB, by: 'alice', withdraw: null })
  assert.equal(corrected.kind, 'corrected')
  await allSettled()
  assert.deepEqual(await activeIn(BOB), [`${DEMO} audit`])
  await post({ url, email: 'alicia@example.com' })
  await allSettled()
  assert.deepEqual([await activeIn(BOB), await activeIn(ALICE)], [[], [`${DEMO} audit`]])
})

test('the sale that kept a course is marked as paid back afterwards: the refund looks again, and the buyer is out', async () => {
  const [first, second] = [await soldAs('First'), await soldAs('Second')]
  assert.deepEqual(await refund(ALICE, { sale: first }), [200, [sale(second)]])
  await operations.markHandled({ id: second, as: 'settled', note: 'paid in cash', by: 'alice' })
  await allSettled()
  assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
  await operations.markHandled({ id: second, as: 'paid_back', note: 'no, it was paid back', by: 'alice' })
  await allSettled()
  assert.deepEqual([await activeIn(ALICE), await stateOf(first)], [[], 'withdrawn'])
})

test('a sale that was settled by hand before keeps the buyer in, one that was paid back before does not', async () => {
  for (const [email, as] of [
    [ALICE, 'settled'],
    [BOB, 'paid_back'],
  ] as const) {
    const [first, second] = [await soldAs('First', email), await soldAs('Second', email)]
    await operations.markHandled({ id: second, as, note: 'by phone', by: 'alice' })
    assert.deepEqual(await refund(email, { sale: first }), [200, as === 'settled' ? [sale(second)] : []])
  }
  assert.deepEqual([await activeIn(ALICE), await activeIn(BOB)], [[`${DEMO} audit`], []])
})

test('staff take a buyer out while the answer to our call is lost: we leave them out, and so does the refund', async () => {
  await lms.faults([{ method: 'POST', path: BULK, drop: 'after', times: 1 }])
  const id = await sold(ALICE)
  await staffSets(ALICE, false)
  await allSettled()
  assert.deepEqual([await stateOf(id), await activeIn(ALICE)], ['needs_attention', []])
  await refund(ALICE)
  await allSettled()
  assert.deepEqual(await activeIn(ALICE), [])
})

test('a bundle with a wrong key is corrected and refunded: a course that the buyer had before stays, the rest goes', async () => {
  await staffSets(ALICE, true)
  const id = await sold(ALICE, [DEMO, MISSING])
  assert.equal(await stateOf(id), 'needs_attention')
  const corrected = await operations.correct({ id, courseIds: [DEMO, PYTHON], by: 'alice', withdraw: null })
  assert.equal(corrected.kind, 'corrected')
  await allSettled()
  assert.deepEqual(await activeIn(ALICE), [`${PYTHON} audit`, `${DEMO} audit`])
  await refund(ALICE, { courseIds: [DEMO, MISSING] })
  await allSettled()
  assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
})

test('an operator’s withdrawal that takes what was there before takes it once: what staff give afterwards stays', async () => {
  await staffSets(ALICE, true)
  const id = await sold(ALICE)
  await withdraw(id, { hadBefore: true })
  assert.deepEqual(await activeIn(ALICE), [])
  await staffSets(ALICE, true)
  const again = await soldAs('Again')
  assert.deepEqual(await refund(ALICE, { sale: again }), [200, [had()]])
  assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
})
