import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Buyer, DEMO, payload } from '../../harness.ts'
import { setFacts, withdrawalsShown } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { FAILING, LATE, startWithHeldCalls } from './held-calls.ts'
import { post, refund as postRefund, standard } from './refunding.ts'
import { heldPeople } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
const ALICE = 'alice@example.com'
const BOB = 'bob@example.com'
const ALLOWANCES = '/api/enrollment/v1/enrollment_allowed/'
const product = await startWithHeldCalls({ answerWithinMs: 2000 })
const { lms, db, sold, show, stateOf, operations, openOrders, bringForward, allEnded } = product

const refund = (buyer: Partial<Buyer> & { id?: string; sale?: unknown } = {}) =>
  postRefund({ url: product.url, email: ALICE, ...buyer })
const activeIn = (email = ALICE) => product.activeIn(email)
const log = async (id: string) =>
  [await stateOf(id), JSON.stringify((await show(id)).outcome), await product.log(id)].join('\n')
/** As after an order's last attempt. */
const lastAttempt = () =>
  db
    .updateTable('delivery_lines')
    .set({ withdrawal_attempts: 1000, withdrawal_at: 0 })
    .where('withdrawal_state', '=', 'open')
    .execute()

test('an operator’s withdrawal left the paid one of two courses: the refund of both takes it, and says 200', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'verified', active: true }] })
  await product.withdraw(id)
  assert.deepEqual(await activeIn(), [PYTHON])
  const only = await refund({ courseIds: [DEMO], sale: id, id: 'r_demo' })
  const { status, json } = await refund({ courseIds: [DEMO, PYTHON], id: 'r_1' })
  const again = await refund({ courseIds: [DEMO, PYTHON], id: 'r_1' })
  assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'])
  assert.deepEqual([only.status, status, again.status], [200, 200, 200], JSON.stringify([only.json, json]))
})

test('a refund that failed for one of two courses is 200 when it is tried again with success', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'verified', active: true }] })
  assert.equal((await refund({ courseIds: [DEMO, PYTHON], id: 'r_1' })).status, 200)
  // As if the LMS had refused the second one, before
  await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'verified', active: true }] })
  await db
    .updateTable('delivery_lines')
    .set({ withdrawal_kind: 'kept', withdrawal_mode: null, withdrawal_why: 'refused' })
    .where('sent', '=', PYTHON)
    .execute()
  await setFacts(db, id, { courses: { [PYTHON]: 'enrolled' }, standings: {} })
  await db.updateTable('deliveries').set({ state: 'enrolled' }).execute()
  const again = await refund({ courseIds: [DEMO, PYTHON], id: 'r_1' })
  const third = await refund({ courseIds: [DEMO, PYTHON], id: 'r_1' })
  assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'])
  assert.deepEqual([again.status, third.status], [200, 200], JSON.stringify(again.json))
})

test('a course that is being restored is not lost when a refund of another course ends first', async () => {
  await sold(ALICE, [PYTHON])
  // The LMS takes the buyer out and says that it failed.
  await lms.faults([{ ...LATE, path: UNENROLL, delayMs: 0, status: 502, drop: undefined, times: 2 }])
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202)
  const bundle = await sold(ALICE, [DEMO, PYTHON])
  assert.equal((await refund({ courseIds: [DEMO], sale: bundle, id: 'r_demo' })).status, 202)
  const [first, second] = (await openOrders()).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  assert.ok(first && second)
  await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'audit', active: false }] }) // the call had its effect
  await db
    .updateTable('delivery_lines')
    .set({ withdrawal_at: Date.now() + 60_000 })
    .where('withdrawal_id', '=', second.id)
    .execute()
  await lms.faults(FAILING) // enrolling fails for a while
  await until('the end of the first', async () => {
    await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_id', '=', first.id).execute()
    return (await openOrders()).length === 1 || undefined
  })
  await until(
    'a try',
    async () => (await operations.timeline(bundle)).some(({ kind }) => kind === 'retry_scheduled') || undefined,
  )
  await db.updateTable('deliveries').set({ effect_unknown: 0 }).where('id', '=', bundle).execute() // as after a connection that was refused
  await lms.noFaults()
  await until('the end of the second', async () => {
    await bringForward()
    return (await openOrders()).length === 0 || undefined
  })
  await allEnded()
  assert.deepEqual(await activeIn(), [PYTHON], await log(bundle))
})

test('a failed refund whose sale was corrected since follows the correction when it is tried again', async () => {
  const id = await sold(ALICE)
  await setFacts(db, id, { accounts: {} })
  const refusing = {
    path: '/api/user/v1/accounts',
    method: 'GET',
    status: 200,
    body: [{ username: 'x', email: 'b@x.example', id: 900, is_active: true }],
  }
  await lms.faults([refusing])
  assert.equal((await refund({ id: 'r_1' })).status, 400)
  await lms.noFaults()
  await lms.people({ email: BOB, username: 'bob2', active: true })
  const done = await operations.correct({ id, email: BOB, by: 'op', withdraw: null })
  const right = 'id' in done ? done.id : ''
  await until('enrolled', async () => (await stateOf(right)) === 'enrolled' || undefined)
  const { status, json } = await refund({ id: 'r_1' })
  assert.deepEqual(
    [status, await activeIn(ALICE), await activeIn(BOB)],
    [200, [], []],
    `${JSON.stringify(json)}\n${await log(right)}`,
  )
})

test('a refund that is tried again takes no course that it did not name', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.faults(FAILING)
  await operations.withdraw({ id, courses: null, paid: true, by: 'op' })
  await until('an attempt', async () => (await withdrawalsShown(operations, id))[0]?.attempts || undefined)
  assert.equal((await refund({ courseIds: [DEMO], id: 'r_1' })).status, 202)
  await until('the end', async () => {
    await lastAttempt()
    return (await openOrders()).length === 0 || undefined
  })
  await lms.noFaults()
  const { status, json } = await refund({ courseIds: [DEMO], id: 'r_1' })
  assert.deepEqual([status, await activeIn()], [200, [PYTHON]], `${JSON.stringify(json)}\n${await log(id)}`)
})

test('a correction leaves out what was refunded before, and one that only does that is none', async () => {
  await lms.faults(FAILING)
  const id = await sold(ALICE, [DEMO, PYTHON])
  await refund({ courseIds: [DEMO], sale: id })
  await lms.noFaults()
  for (const courseIds of [[PYTHON], [DEMO, PYTHON]]) {
    const same = await operations.correct({ id, courseIds, by: 'op', withdraw: null })
    assert.equal(same.kind, 'unchanged', await log(id))
  }
  const done = await operations.correct({ id, email: 'other@example.com', by: 'op', withdraw: null })
  const right = 'id' in done ? done.id : ''
  assert.deepEqual((await show(right)).request?.courseIds, [PYTHON])
})

test('what corrects the correction of a sale keeps the course, too', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  const c1 = await operations.correct({ id, courseIds: [DEMO, CLEAN], by: 'op', withdraw: null })
  const one = 'id' in c1 ? c1.id : ''
  await until('enrolled', async () => (await stateOf(one)) === 'enrolled' || undefined)
  const c2 = await operations.correct({ id: one, courseIds: [DEMO], by: 'op', withdraw: null })
  const two = 'id' in c2 ? c2.id : ''
  await until('enrolled', async () => (await stateOf(two)) === 'enrolled' || undefined)
  await product.withdraw(id)
  assert.ok((await activeIn()).includes(DEMO), `${await log(id)}\n${await log(two)}`)
})

test('a late retry of a sale whose refund failed is told what the sale has, and the refund is still tried again', async () => {
  const body = payload({ email: ALICE })
  const sale = () => post({ url: product.url, path: 'webhook', body, headers: standard(body, 'order_1') })
  const id = String((await sale()).headers['x-lernito-delivery'])
  await lms.faults(FAILING)
  await refund({ id: 'r_1' })
  await until('the end', async () => {
    await lastAttempt()
    return (await openOrders()).length === 0 || undefined
  })
  await lms.noFaults()
  const retried = await sale()
  const { status } = await refund({ id: 'r_1' })
  assert.deepEqual([retried.status, status, await activeIn()], [200, 200, []], await log(id))
})

test('a late retry of a sale that was refunded in part does what no refund names, and is told what it leaves', async () => {
  const body = payload({ email: ALICE, courseIds: [DEMO, PYTHON] })
  const sale = () => post({ url: product.url, path: 'webhook', body, headers: standard(body, 'order_1') })
  await lms.faults([{ path: BULK, naming: PYTHON, status: 500, body: 'no' }])
  const id = String((await sale()).headers['x-lernito-delivery'])
  await until('the course that works', async () => (await activeIn()).length === 1 || undefined)
  await until('the end of the attempt', async () => (await heldPeople(db)) === 0 || undefined)
  await refund({ courseIds: [DEMO], sale: id, id: 'r_1' })
  await until('the refund', async () => (await openOrders()).length === 0 || undefined)
  await until('the end of the attempt', async () => (await heldPeople(db)) === 0 || undefined)
  // As if the LMS had refused the other course.
  const refused = { state: 'needs_attention', reason: 'lms.refused', reason_text: 'full', due_at: null } as const
  await db.updateTable('deliveries').set(refused).execute()
  await lms.noFaults()
  assert.deepEqual((await sale()).json, { success: false, message: `Course ${DEMO} was withdrawn` })
  await until('the other course', async () => (await stateOf(id)) === 'enrolled' || undefined)
  assert.deepEqual(await activeIn(), [PYTHON], await log(id))
  assert.match(await log(id), /a late retry; .* was withdrawn, and the other courses start again/)
})

describe('a refund of a paid mode that has failed, and an operator’s withdrawal after it', () => {
  /** The sale under s_1, whose refund under r_1 has failed. Gives its id. */
  async function failed(courseIds: readonly string[] = [PYTHON]): Promise<string> {
    await lms.people({ email: ALICE, username: 'alice', active: true })
    const { headers } = await sale(courseIds)
    const id = String(headers['x-lernito-delivery'])
    await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'verified', active: true }] })
    await lms.faults([{ method: 'GET', path: ALLOWANCES, status: 500, body: 'no' }])
    await refund({ courseIds: [PYTHON], sale: id, id: 'r_1' })
    await until('the last attempt', async () => {
      await lastAttempt()
      return (await openOrders()).length === 0 || undefined
    })
    await lms.noFaults()
    return id
  }
  const sale = (courseIds: readonly string[]) => {
    const body = payload({ email: ALICE, courseIds })
    return post({ url: product.url, path: 'webhook', body, headers: standard(body, 's_1') })
  }

  test('the withdrawal takes what the refund was to take, and the refund is done when it is repeated', async () => {
    const id = await failed()
    await product.withdraw(id)
    assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'], await log(id))
    assert.deepEqual((await refund({ courseIds: [PYTHON], sale: id, id: 'r_1' })).status, 200)
  })

  test('while it is open, a repeat of the refund waits for it, and a late retry of the sale starts nothing', async () => {
    const id = await failed()
    await lms.faults([{ path: UNENROLL, status: 502 }])
    await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
    await until('an attempt', async () => ((await openOrders())[0]?.attempts ? true : undefined))
    assert.equal((await refund({ courseIds: [PYTHON], sale: id, id: 'r_1' })).status, 202)
    assert.deepEqual((await sale([PYTHON])).json, { success: false, message: `Course ${PYTHON} was withdrawn` })
    await lms.noFaults()
    await allEnded()
    assert.deepEqual(await activeIn(), [])
  })

  test('a repeat of the refund orders again what the withdrawal has left, too', async () => {
    const id = await failed()
    await lms.faults([{ method: 'GET', path: ALLOWANCES, status: 500, body: 'no' }])
    await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
    await until('the last attempt', async () => {
      await lastAttempt()
      return (await openOrders()).length === 0 || undefined
    })
    await lms.noFaults()
    assert.equal((await refund({ courseIds: [PYTHON], sale: id, id: 'r_1' })).status, 200)
    assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'], await log(id))
  })
})

test('an operator’s open withdrawal in whose place a refund comes says so, and the refund takes the paid mode', async () => {
  const id = await sold(ALICE, [PYTHON])
  await lms.seed({ enrollments: [{ email: ALICE, course: PYTHON, mode: 'verified', active: true }] })
  await lms.faults([{ method: 'GET', path: ALLOWANCES, status: 500, body: 'no' }])
  await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  await until('an attempt', async () => ((await openOrders())[0]?.attempts ? true : undefined))
  assert.equal((await refund({ courseIds: [PYTHON] })).status, 202)
  const replaced = (await operations.timeline(id)).findLast(({ kind }) => kind === 'withdrawal_ended')
  assert.match(replaced?.detail ?? '', /refund by the shop came in its place/)
  await lms.noFaults()
  await allEnded()
  assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'], await log(id))
})

test('a refund that comes while an operator’s withdrawal with paid modes is open counts as one if that fails', async () => {
  const body = payload({ email: ALICE })
  const sale = () => post({ url: product.url, path: 'webhook', body, headers: standard(body, 'order_1') })
  const id = String((await sale()).headers['x-lernito-delivery'])
  await lms.faults([{ method: 'GET', path: ALLOWANCES, status: 500, body: 'no' }])
  await operations.withdraw({ id, courses: null, paid: true, by: 'alice' })
  await until('an attempt', async () => ((await openOrders())[0]?.attempts ? true : undefined))
  assert.equal((await refund({ id: 'r_1' })).status, 202)
  await until('the last attempt', async () => {
    await lastAttempt()
    return (await openOrders()).length === 0 || undefined
  })
  await lms.noFaults()
  assert.ok((await product.kinds(id)).includes('refund_failed'), await log(id))
  assert.equal((await sale()).status, 200, 'the buyer still has it')
  assert.equal((await refund({ id: 'r_1' })).status, 200)
  assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'], await log(id))
})
