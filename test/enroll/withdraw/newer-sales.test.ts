import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { checkNow } from '../../../src/enroll/follow-up/check-now.ts'
import { type Buyer, DEMO } from '../../harness.ts'
import { factsIn, setFacts, withdrawalsShown } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { UNENROLL } from '../../service/serving.ts'
import { acquire } from '../follow-up/harness.ts'
import { lmsAt } from '../lms-at.ts'
import { adaIn, FAILING_ONCE, LATE, NEW, OLD, startWithHeldCalls } from './held-calls.ts'
import { refund as postRefund } from './refunding.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
/** The catalogue is read 30 s after the start, which on a busy machine is in the last test. No withdrawal calls these. */
const OF_CATALOGUE = /^\/api\/(courses|course_modes)\/v1\/courses\//
const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
const product = await startWithHeldCalls({ answerWithinMs: 2000 })
const { lms, db, hold, sell, sold, stateOf, operations, allEnded, log } = product
const { register, move, activeIn } = adaIn(product)
const direct = lmsAt(product.lmsUrl)
after(() => direct.close())

const refund = (buyer: Buyer & { id?: string; sale?: unknown }) => postRefund({ url: product.url, ...buyer })

test('a sale that comes after an operator’s withdrawal of another one keeps the course', async () => {
  await register()
  const first = await sold(OLD)
  await lms.faults(FAILING_ONCE)
  await operations.withdraw({ id: first, courses: null, paid: false, by: 'alice' })
  await until('a failed attempt', async () => (await withdrawalsShown(operations, first))[0]?.attempts || undefined)
  const { status, headers } = await sell({ email: OLD, name: 'Again' })
  const again = String(headers['x-lernito-delivery'])
  assert.deepEqual([status, await stateOf(again)], [200, 'enrolled'])
  await allEnded()
  const { context } = product
  const found = await checkNow({ context, lms: direct, acquire, modeOf: () => null, ids: [again], by: 'alice' })
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`], JSON.stringify([found, await log(again)]))
})

test('nor does its late call undo such a sale', async () => {
  await register()
  const first = await sold(OLD)
  await until('the first enrollment', async () => (await stateOf(first)) === 'enrolled' || undefined)
  await lms.faults([{ ...LATE, path: UNENROLL }])
  await operations.withdraw({ id: first, courses: null, paid: false, by: 'alice' })
  await until('a failed attempt', async () => (await withdrawalsShown(operations, first))[0]?.attempts || undefined)
  const { status, headers } = await sell({ email: OLD, name: 'Again' })
  const again = String(headers['x-lernito-delivery'])
  assert.deepEqual([status, await stateOf(again)], [500, 'queued'], 'it waits until the call can land no more')
  hold.release()
  await until('the enrollment', async () => (await stateOf(again)) === 'enrolled' || undefined)
  await allEnded()
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`], JSON.stringify(await log(again)))
})

test('a correction that withdraws leaves the courses that the corrected sale has, too', async () => {
  await register()
  const id = await sold(OLD, [DEMO, PYTHON])
  await lms.faults(FAILING_ONCE)
  const done = await operations.correct({ id, courseIds: [DEMO, CLEAN], by: 'alice', withdraw: { paid: false } })
  const right = 'id' in done ? done.id : ''
  await until('enrolled', async () => (await stateOf(right)) === 'enrolled' || undefined)
  await allEnded()
  assert.deepEqual(
    [await activeIn(), await stateOf(right)],
    [[`${OLD} ${CLEAN}`, `${OLD} ${DEMO}`].sort(), 'enrolled'],
    JSON.stringify([await log(id), await log(right)]),
  )
})

test('a sale that goes on without a refunded course keeps the other one for its account under another address', async () => {
  await register()
  const bundle = await sold(OLD, [DEMO, PYTHON])
  await lms.faults([
    { path: '/api/user/v1/accounts', status: 500, body: 'no' },
    { path: '/api/user/v1/accounts/search_emails', status: 500, body: 'no' },
  ])
  await sell({ email: OLD, courseIds: [DEMO, PYTHON] })
  assert.equal(await stateOf(bundle), 'queued')
  await refund({ email: OLD, courseIds: [PYTHON], sale: bundle })
  await lms.noFaults()
  await allEnded()
  assert.deepEqual([await stateOf(bundle), await activeIn()], ['enrolled', [`${OLD} ${DEMO}`]])
  await move()
  const again = await sold(NEW)
  await refund({ email: NEW })
  await allEnded()
  const stored = await factsIn(db, bundle)
  const [order] = await withdrawalsShown(operations, again)
  assert.deepEqual(
    [await activeIn(), order?.result?.courses[DEMO]?.keptBy],
    [[`${NEW} ${DEMO}`], bundle],
    JSON.stringify(stored),
  )
})

test('a sale whose access has ended keeps the course while the buyer is in it, also after a newer sale under a new address', async () => {
  await register()
  const single = await sold(OLD)
  const at = Date.now()
  await lms.seed({ enrollments: [{ email: OLD, course: DEMO, mode: 'audit', active: false }] })
  const standing = { standing: 'unenrolled', mode: 'audit', checkedAt: at, since: at, endedAt: at } as const
  await setFacts(db, single, { standings: { [DEMO]: standing } })
  await db.updateTable('deliveries').set({ ended_at: at }).where('id', '=', single).execute()
  await move()
  const again = await sold(NEW)
  assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
  await checkNow({ context: product.context, lms: direct, acquire, modeOf: () => null, ids: [single], by: 'alice' })
  await refund({ email: NEW })
  const [order] = await withdrawalsShown(operations, again)
  assert.deepEqual(
    [await activeIn(), order?.result?.courses[DEMO]?.keptBy],
    [[`${NEW} ${DEMO}`], single],
    await log(single),
  )
})

test('so does a sale that needs attention because its buyer was unenrolled', async () => {
  const waiting = await sold(OLD)
  await lms.people({ email: OLD, username: 'ada', active: false })
  await lms.activate(OLD)
  await lms.seed({ enrollments: [{ email: OLD, course: DEMO, mode: 'audit', active: false }] })
  await checkNow({ context: product.context, lms: direct, acquire, modeOf: () => null, ids: [waiting], by: 'alice' })
  assert.equal(await stateOf(waiting), 'needs_attention')
  const { headers } = await sell({ email: OLD, name: 'Again' })
  const again = String(headers['x-lernito-delivery'])
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`])
  const { json } = await refund({ email: OLD, sale: again })
  await allEnded()
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`], JSON.stringify([json, await log(again)]))
})

test('a repeat of a sale to an address that the buyer has left waits for a refund under the new one', async () => {
  await register()
  const first = await sold(OLD)
  await move()
  const again = await sold(NEW)
  await refund({ email: OLD })
  await until('the first refund', async () => (await stateOf(first)) === 'withdrawn' || undefined)
  assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`], 'the newer sale keeps the course')
  await lms.faults([{ method: 'POST', path: UNENROLL, delayMs: 1, times: 1 }])
  const refunding = refund({ email: NEW })
  await hold.arrived()
  const { status } = await sell({ email: OLD })
  hold.release()
  await refunding
  await allEnded()
  const told = JSON.stringify([status, await log(first), await log(again)])
  assert.deepEqual([await activeIn(), await stateOf(again)], [[], 'withdrawn'], told)
  assert.equal(await stateOf(first), 'pre_enrolled', `the buyer is out, so the sale goes to its address: ${told}`)
})

test('a refund that waits for another address of its buyer makes no call meanwhile', async () => {
  await register()
  await sold(OLD)
  await move()
  const again = await sold(NEW)
  await db.insertInto('holds').values({ name: OLD, replica: '', effect: 'undoes', late_at: 0 }).execute()
  await lms.forgetCalls()
  await refund({ email: NEW })
  const calls = (await lms.calls()).filter(({ path }) => !OF_CATALOGUE.test(path))
  assert.deepEqual(calls, [])
  await allEnded()
  assert.deepEqual([await activeIn(), await stateOf(again)], [[`${NEW} ${DEMO}`], 'withdrawn'], await log(again))
})
