import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Buyer, DEMO, exchange, signed } from '../../harness.ts'
import { setFacts, withdrawalsShown } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { adaIn, FAILING, LATE, NEW, OLD, startWithHeldCalls } from './held-calls.ts'
import { refund as postRefund } from './refunding.ts'
import { heldPeople } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const product = await startWithHeldCalls({ answerWithinMs: 2000 })
const { lms, db, hold, sold, show, stateOf, operations, withdraw, bringForward, ordersEnded, allEnded, log } = product
const { register, move, activeIn } = adaIn(product)

const refund = (buyer: Buyer & { id?: string; sale?: unknown }) => postRefund({ url: product.url, ...buyer })

test('a sale whose paid mode an operator’s withdrawal left keeps the course', async () => {
  await register()
  const single = await sold(OLD)
  await lms.seed({ enrollments: [{ email: OLD, course: DEMO, mode: 'verified', active: true }] })
  assert.equal((await withdraw(single, { paid: false })).result?.courses[DEMO]?.kind, 'kept')
  assert.equal(await stateOf(single), 'enrolled')
  const bundle = await sold(OLD, [DEMO, PYTHON])
  const { json } = await refund({ email: OLD, courseIds: [DEMO, PYTHON], sale: bundle })
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`], JSON.stringify([json, await stateOf(single)]))
})

test('a sale keeps no course that an operator’s withdrawal of it left for another reason', async () => {
  await register()
  const single = await sold(OLD)
  await setFacts(db, single, { accounts: {} }) // or it would be found by the account’s id
  const body = [{ username: 'x', email: 'b@x.example', id: 900, is_active: true }]
  await lms.faults([{ path: '/api/user/v1/accounts', method: 'GET', status: 200, body }])
  const { result } = await withdraw(single)
  assert.deepEqual([result?.courses[DEMO]?.kind, result?.courses[DEMO]?.mode], ['kept', null])
  await lms.noFaults()
  const bundle = await sold(OLD, [DEMO, PYTHON])
  const { json } = await refund({ email: OLD, courseIds: [DEMO, PYTHON], sale: bundle })
  await ordersEnded()
  assert.deepEqual(await activeIn(), [], JSON.stringify(json))
})

test('an enrolled sale whose account is not known keeps the course, although another account has the address by now', async () => {
  await register()
  const single = await sold(OLD)
  await setFacts(db, single, { accounts: {} })
  const bundle = await sold(OLD, [DEMO, PYTHON])
  await move()
  await lms.people({ email: OLD, username: 'second', active: true })
  const { json } = await refund({ email: OLD, courseIds: [DEMO, PYTHON], sale: bundle })
  await ordersEnded()
  assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`], JSON.stringify([json, await stateOf(single)]))
})

test('a refund that comes again without an id still says which course is kept', async () => {
  await register()
  const single = await sold(OLD)
  await sold(OLD, [DEMO, PYTHON])
  const first = await refund({ email: OLD })
  assert.equal(await stateOf(single), 'withdrawn')
  const second = await refund({ email: OLD })
  assert.deepEqual(
    [second.status, second.json, await activeIn()],
    [200, first.json, [`${OLD} ${DEMO}`, `${OLD} ${PYTHON}`].sort()],
  )
})

/** No look-up of a person succeeds. */
const NO_ACCOUNTS = ['/api/user/v1/accounts', '/api/user/v1/accounts/search_emails'].map((path) => ({
  path,
  status: 500,
  body: 'no',
}))

/** The answer to a refund of one course, with the delivery that keeps it. */
const verified = (delivery?: string) => ({
  success: true,
  message: 'Withdrawal verified for 1 course(s)',
  ...(delivery === undefined ? {} : { kept: [{ course: DEMO, reason: 'sale', delivery }] }),
})

test('a course that the refunded sale never enrolled is kept by the sale that has it', async () => {
  await register()
  const missing = await sold(OLD, [DEMO, 'course-v1:No+Such+Course'])
  assert.equal(await stateOf(missing), 'needs_attention')
  const single = await sold(OLD)
  const { json } = await refund({ email: OLD, courseIds: [DEMO], sale: missing })
  assert.deepEqual([json, await activeIn()], [verified(single), [`${OLD} ${DEMO}`]])
})

test('a sale that needs attention keeps the course that it has reported', async () => {
  await register()
  const [failed, single] = [await sold(OLD, [DEMO, 'course-v1:No+Such+Course']), await sold(OLD)]
  await setFacts(db, failed, { courses: { [DEMO]: 'enrolled' } })
  const { json } = await refund({ email: OLD, courseIds: [DEMO], sale: single })
  assert.deepEqual([json, await activeIn()], [verified(failed), [`${OLD} ${DEMO}`]])
})

/** An operator corrects a sale to these courses. */
const correctTo = (id: string, courseIds: readonly string[]) =>
  operations.correct({ id, courseIds, by: 'alice', withdraw: null })
const isInDemo = async (): Promise<boolean> => (await activeIn()).some((row) => row.endsWith(DEMO))

test('a course that a refund left to a queued sale stays with it, and is taken away when that is corrected to other courses', async () => {
  await register()
  const single = await sold(OLD)
  await lms.faults([{ path: '/api/courses/v1/courses/{id}', status: 500, body: 'no' }])
  const bundle = await sold(OLD, [DEMO, 'course-v1:No+Such+Course', 'no key'])
  const { json } = await refund({ email: OLD, courseIds: [DEMO], sale: single })
  assert.deepEqual([json, await stateOf(bundle), await activeIn()], [verified(bundle), 'queued', [`${OLD} ${DEMO}`]])
  await lms.noFaults()
  await allEnded()
  assert.deepEqual([await stateOf(bundle), await stateOf(single)], ['needs_attention', 'withdrawn'])
  assert.equal((await activeIn()).length, 1, 'it is paid, whatever its state')
  await correctTo(bundle, [PYTHON])
  await allEnded()
  assert.deepEqual([await stateOf(single), await isInDemo()], ['withdrawn', false], await log(single))
})

test('but not if that sale had given it before, and only a repeat of it has failed', async () => {
  await register()
  const [single, bundle] = [await sold(OLD), await sold(OLD, [DEMO, PYTHON])]
  const { json } = await refund({ email: OLD, courseIds: [DEMO], sale: single })
  assert.deepEqual(json, verified(bundle))
  await lms.faults(NO_ACCOUNTS)
  await product.sell({ email: OLD, courseIds: [DEMO, PYTHON] })
  await until('the last attempt', async () => {
    const last = { attempts: 1000, due_at: 0 }
    await db.updateTable('deliveries').set(last).where('state', '=', 'queued').execute()
    return (await stateOf(bundle)) === 'needs_attention' || undefined
  })
  await lms.noFaults()
  await allEnded()
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`, `${OLD} ${PYTHON}`].sort(), await log(single))
  const again = await sold(OLD, [DEMO, DEMO])
  assert.deepEqual((await refund({ email: OLD, courseIds: [DEMO], sale: again })).json, verified(bundle))
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`, `${OLD} ${PYTHON}`].sort(), await log(again))
})

test('but if that fails, the refunded sale is not withdrawn, and a refund of it takes the buyer out', async () => {
  await register()
  const single = await sold(OLD)
  await lms.faults([{ path: '/api/courses/v1/courses/{id}', status: 500, body: 'no' }])
  const bundle = await sold(OLD, [DEMO, 'course-v1:No+Such+Course', 'no key'])
  assert.deepEqual((await refund({ email: OLD, courseIds: [DEMO], sale: single })).json, verified(bundle))
  await lms.noFaults()
  await until('its end', async () => (await stateOf(bundle)) === 'needs_attention' || undefined)
  await lms.faults(FAILING)
  await correctTo(bundle, [PYTHON])
  await until('the last attempt', async () => {
    await db.updateTable('delivery_lines').set({ withdrawal_attempts: 1000 }).execute()
    await bringForward()
    return (await operations.timeline(single)).some(({ kind }) => kind === 'refund_failed') || undefined
  })
  assert.deepEqual([await stateOf(bundle), await stateOf(single)], ['handled', 'handled'], await log(single))
  await lms.noFaults()
  const { status } = await refund({ email: OLD, courseIds: [DEMO], sale: single })
  assert.deepEqual([status, await isInDemo(), await stateOf(single)], [200, false, 'withdrawn'], await log(single))
})

test('so is one that was left to a sale to the buyer’s new address', async () => {
  await register()
  const single = await sold(OLD)
  await move()
  await lms.faults([{ path: '/api/courses/v1/courses/{id}', status: 500, body: 'no' }])
  const bundle = await sold(NEW, [DEMO, 'course-v1:No+Such+Course', 'no key'])
  const { json } = await refund({ email: OLD, courseIds: [DEMO], sale: single })
  assert.deepEqual([json, await stateOf(bundle), await activeIn()], [verified(bundle), 'queued', [`${NEW} ${DEMO}`]])
  await lms.noFaults()
  await allEnded()
  assert.deepEqual([await stateOf(bundle), await stateOf(single)], ['needs_attention', 'withdrawn'])
  assert.equal((await activeIn()).length, 1, 'it is paid, whatever its state')
  await correctTo(bundle, [PYTHON])
  await allEnded()
  assert.deepEqual([await stateOf(single), await isInDemo()], ['withdrawn', false], await log(single))
})

test('the buyer’s account loses a course that a refund left to a sale to the address before, when that is refunded', async () => {
  await register()
  const single = await sold(OLD)
  await move()
  const { headers } = await product.sell({ email: OLD, name: 'Again' })
  const again = String(headers['x-lernito-delivery'])
  assert.equal(await stateOf(again), 'pre_enrolled')
  assert.deepEqual((await refund({ email: OLD, sale: single })).json, verified(again))
  assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
  await refund({ email: OLD, sale: again })
  await ordersEnded()
  assert.deepEqual([await stateOf(single), await stateOf(again)], ['withdrawn', 'withdrawn'])
  assert.deepEqual(await activeIn(), [], await log(again))
})

test('two sales of a course to one account, refunded one after the other: the first is told as withdrawn once', async () => {
  await register()
  const [first, second] = [await sold(OLD), await sold(OLD, [DEMO, PYTHON])]
  await refund({ email: OLD, sale: first })
  await refund({ email: OLD, courseIds: [DEMO], sale: second })
  await ordersEnded()
  const told = (await operations.timeline(first)).filter(({ kind }) => kind === 'withdrawn')
  assert.deepEqual([told.length, await stateOf(first), await activeIn()], [1, 'withdrawn', [`${OLD} ${PYTHON}`]])
})

test('a refund that comes again names no sale that was taken out of the course since', async () => {
  await register()
  const [first, second, other] = [await sold(OLD), await sold(OLD, [DEMO, PYTHON]), await sold(OLD, [PYTHON])]
  const again = async (sale: string, course = DEMO) =>
    (await refund({ email: OLD, courseIds: [course], sale, id: `rf_${sale}` })).json
  assert.deepEqual(await again(first), verified(second))
  await withdraw(second, { courses: [DEMO] })
  assert.deepEqual(await again(first), verified())
  assert.deepEqual(await again(second, PYTHON), {
    ...verified(),
    kept: [{ course: PYTHON, reason: 'sale', delivery: other }],
  })
})

describe('the sale that a refund has left a course to', () => {
  const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
  /** The refund of the first of two sales of a course, which comes again under its id, and the other sale. */
  async function leftToOther() {
    await register()
    const [first, second] = [await sold(OLD), await sold(OLD, [DEMO, PYTHON])]
    const again = async () => (await refund({ email: OLD, sale: first, id: 'rf_1' })).json
    assert.deepEqual(await again(), verified(second))
    return { first, second, again }
  }
  const corrected = async (id: string, courseIds: string[]): Promise<string> => {
    const done = await operations.correct({ id, courseIds, withdraw: null, by: 'alice' })
    await allEnded()
    return 'id' in done ? done.id : done.kind
  }

  test('is corrected to other courses: the buyer is taken out of this one', async () => {
    const { first, second, again } = await leftToOther()
    await corrected(second, [PYTHON])
    assert.deepEqual([await activeIn(), await again()], [[`${OLD} ${PYTHON}`], verified()], await log(first))
  })

  test('is corrected, and the correction includes the course: that keeps it', async () => {
    const { first, second, again } = await leftToOther()
    const right = await corrected(second, [DEMO, CLEAN])
    assert.deepEqual(await again(), verified(right), await log(first))
    assert.ok((await activeIn()).includes(`${OLD} ${DEMO}`))
    await corrected(right, [CLEAN])
    assert.ok(!(await activeIn()).includes(`${OLD} ${DEMO}`), await log(first))
  })

  test('is corrected to other courses while the refund is in a call for its next course: the buyer is taken out of this one', async () => {
    await register()
    const [bundle, single] = [await sold(OLD, [DEMO, PYTHON]), await sold(OLD)]
    await lms.faults([{ method: 'POST', path: UNENROLL, delayMs: 1, times: 1 }])
    const refunded = refund({ email: OLD, courseIds: [DEMO, PYTHON], sale: bundle })
    await hold.arrived()
    const right = operations.correct({ id: single, courseIds: [CLEAN], withdraw: null, by: 'alice' })
    await until('the correction', async () => (await stateOf(single)) === 'handled' || undefined)
    hold.release()
    await Promise.all([refunded, right])
    await allEnded()
    assert.deepEqual([await activeIn(), await stateOf(bundle)], [[`${OLD} ${CLEAN}`], 'withdrawn'], await log(bundle))
  })

  test('is corrected to other courses while the LMS fails: an order that is due again for one course is pending', async () => {
    await register()
    const [bundle, single] = [await sold(OLD, [PYTHON, DEMO]), await sold(OLD)]
    await refund({ email: OLD, courseIds: [PYTHON, DEMO], sale: bundle })
    await lms.faults(FAILING)
    await operations.correct({ id: single, courseIds: [CLEAN], withdraw: null, by: 'alice' })
    const again = await operations.withdraw({ id: bundle, courses: [DEMO], paid: true, by: 'alice' })
    const [shown] = await withdrawalsShown(operations, bundle)
    assert.deepEqual([again.kind, shown?.endedAt], ['pending', null], await log(bundle))
    await lms.noFaults()
    await allEnded()
    assert.deepEqual(await activeIn(), [`${OLD} ${CLEAN}`])
  })

  test('is handled: the operator may have given the buyer the course, who stays in it, and the answer says so', async () => {
    const { first, second, again } = await leftToOther()
    await operations.markHandled({ id: second, as: 'settled', note: 'by hand', by: 'alice' })
    await allEnded()
    assert.deepEqual(await again(), verified(second), await log(first))
    assert.ok((await activeIn()).includes(`${OLD} ${DEMO}`))
    await refund({ email: OLD, courseIds: [DEMO], sale: second })
    assert.ok(!(await activeIn()).includes(`${OLD} ${DEMO}`))
    assert.deepEqual(await again(), verified())
  })
})

test('a refund that comes again after the buyer bought the course anew names the new sale', async () => {
  await register()
  const first = await sold(OLD)
  const { json } = await refund({ email: OLD, sale: first, id: 'rf_1' })
  assert.deepEqual([json, await activeIn()], [verified(), []])
  const { headers } = await product.sell({ email: OLD, name: 'Another' })
  const second = String(headers['x-lernito-delivery'])
  assert.deepEqual((await refund({ email: OLD, sale: first, id: 'rf_1' })).json, verified(second))
})

test('the status of a sale names the one that keeps its course only while that one does', async () => {
  await register()
  const [single, bundle] = [await sold(OLD), await sold(OLD, [DEMO, PYTHON])]
  const kept = async () => {
    const body = JSON.stringify({ deliveries: [single] })
    const headers = { 'content-type': 'application/json', ...signed(body) }
    const { text } = await exchange({ url: `${product.url}/api/lernito/status/`, headers, body })
    return JSON.parse(text).deliveries[0].kept
  }
  await refund({ email: OLD, sale: single })
  assert.deepEqual(await kept(), [{ course: DEMO, reason: 'sale', delivery: bundle }])
  await refund({ email: OLD, courseIds: [DEMO, PYTHON], sale: bundle })
  await allEnded()
  assert.deepEqual([await activeIn(), await kept()], [[], []])
})

test('a late call for a sale to the buyer’s new address, which an operator has handled, is waited for', async () => {
  await register()
  await sold(OLD)
  await move()
  await lms.faults([{ ...LATE, path: BULK }])
  const { headers } = await product.sell({ email: NEW })
  const other = String(headers['x-lernito-delivery'])
  await operations.markHandled({ id: other, as: 'paid_back', note: 'by hand', by: 'alice' })
  await until('the end of the attempt', async () => (await heldPeople(db)) === 0 || undefined)
  const { status, json } = await refund({ email: OLD })
  hold.release()
  await until('the late call', async () => (await activeIn()).length === 1 || undefined)
  await ordersEnded()
  assert.deepEqual(await activeIn(), [], JSON.stringify([status, json, await stateOf(other)]))
})

test('the rest of one sale is not the same as another sale of what is left', async () => {
  await register()
  await lms.faults(FAILING)
  const bundle = await sold(OLD, [DEMO, PYTHON])
  assert.equal(await stateOf(bundle), 'queued')
  const single = await sold(OLD, [PYTHON])
  await refund({ email: OLD, courseIds: [DEMO], sale: bundle })
  await lms.noFaults()
  const ids = (await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()).map(
    ({ id }) => id,
  )
  await operations.replay({ ids, by: 'alice' })
  await bringForward()
  await until('enrolled', async () => (await activeIn()).includes(`${OLD} ${PYTHON}`) || undefined)
  await until('done', async () => (await stateOf(single)) === 'enrolled' || undefined)
  await ordersEnded()
  const { json } = await refund({ email: OLD, courseIds: [PYTHON], sale: single })
  assert.deepEqual(
    await activeIn(),
    [`${OLD} ${PYTHON}`],
    JSON.stringify([json, (await show(bundle)).replacedBy, single]),
  )
})

test('a key in another letter case: the refund of a repeat takes out the account that got the course, and nobody else', async () => {
  const LOWER = 'course-v1:edx+demox+demo_course'
  await register()
  const id = await sold(OLD, [LOWER])
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`])
  await move()
  await lms.people({ email: OLD, username: 'second', active: true })
  await lms.seed({ enrollments: [{ email: OLD, course: DEMO, mode: 'audit', active: true }] })
  await lms.faults([
    { path: '/api/courses/v1/courses/{id}', status: 500, body: 'no', times: 1 },
    { path: '/api/user/v1/accounts', status: 500, body: 'no', times: 3 },
    { path: '/api/user/v1/accounts/search_emails', status: 500, body: 'no', times: 3 },
  ])
  await product.sell({ email: OLD, courseIds: [LOWER] })
  const state = await stateOf(id)
  await lms.noFaults()
  const { status } = await refund({ email: OLD, courseIds: [LOWER] })
  await bringForward()
  await ordersEnded()
  const [order] = await withdrawalsShown(operations, id)
  assert.equal(state, 'queued')
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`], JSON.stringify([status, state, order?.courses, order?.result]))
})
