import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { TIMING } from '../../../src/queue/replicas/timing.ts'
import { type Buyer, DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { BULK, holdCalls } from '../../service/serving.ts'
import { refund as postRefund } from './refunding.ts'
import { heldPeople, startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const [OLD, NEW] = ['ada@example.com', 'ada@example.org']
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
const ENROLL = '/api/enrollment/v1/enrollment'
const LATE = { method: 'POST', drop: 'at_once', delayMs: 1, times: 1 }
const hold = holdCalls()
const env = { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '1000', LERNITO_LMS_CONCURRENCY: '4' }
const product = await startWithOperations({ lms: { sleep: hold.sleep }, env, timing: { ...TIMING, landsMs: 3000 } })
const { lms, sold, show, stateOf, operations, withdraw } = product
const { db } = product.context.database
after(() => product.stopAll())
beforeEach(async () => {
  hold.release()
  await lms.noFaults()
  await db.updateTable('withdrawals').set({ due_at: 0 }).where('ended_at', 'is', null).execute()
  await until('quiet', async () => ((await openOrders()).length === 0 ? true : undefined))
  for (const table of ['deliveries', 'events', 'withdrawals', 'webhook_ids'] as const) {
    await db.deleteFrom(table).execute()
  }
  await lms.reset()
  hold.renew()
})

const refund = (buyer: Buyer & { id?: string; sale?: unknown }) => postRefund({ url: product.url, ...buyer })
const openOrders = () => db.selectFrom('withdrawals').selectAll().where('ended_at', 'is', null).execute()
const activeIn = async (): Promise<string[]> =>
  (await lms.state()).enrollments
    .filter(({ email, active }) => active && email.startsWith('ada'))
    .map(({ email, course }) => `${email} ${course}`)
    .sort()
const register = () => lms.people({ email: OLD, username: 'ada', active: true })
const move = () => lms.address({ formerly: OLD, email: NEW })
const failing = ['bulk', 'modify', 'enrollment'].map((_, i) => ({
  method: 'POST',
  path: [BULK, MODIFY, ENROLL][i],
  status: 500,
  body: 'no',
}))

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

test('a late call for a sale to the buyer’s new address, which an operator has handled, is waited for', async () => {
  await register()
  await sold(OLD)
  await move()
  await lms.faults([{ ...LATE, path: BULK }])
  const { headers } = await product.sell({ email: NEW })
  const other = String(headers['x-lernito-delivery'])
  await operations.markHandled({ id: other, note: 'by hand', by: 'alice' })
  await until('the end of the attempt', async () => (await heldPeople(db)) === 0 || undefined)
  const { status, json } = await refund({ email: OLD })
  hold.release()
  await until('the late call', async () => (await activeIn()).length === 1 || undefined)
  await until('the end', async () => (await openOrders()).length === 0 || undefined)
  assert.deepEqual(await activeIn(), [], JSON.stringify([status, json, await stateOf(other)]))
})

test('the rest of one sale is not the same as another sale of what is left', async () => {
  await register()
  await lms.faults(failing)
  const bundle = await sold(OLD, [DEMO, PYTHON])
  assert.equal(await stateOf(bundle), 'queued')
  const single = await sold(OLD, [PYTHON])
  await refund({ email: OLD, courseIds: [DEMO], sale: bundle })
  await lms.noFaults()
  const ids = (await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()).map(
    ({ id }) => id,
  )
  await operations.replay({ ids, by: 'alice' })
  await db.updateTable('withdrawals').set({ due_at: 0 }).where('ended_at', 'is', null).execute()
  await until('enrolled', async () => (await activeIn()).includes(`${OLD} ${PYTHON}`) || undefined)
  await until('done', async () => (await stateOf(single)) === 'enrolled' || undefined)
  await until('no order', async () => (await openOrders()).length === 0 || undefined)
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
    { path: '/api/courses/v1/courses/{course_id}', status: 500, body: 'no', times: 1 },
    { path: '/api/user/v1/accounts', status: 500, body: 'no', times: 3 },
    { path: '/api/user/v1/accounts/search_emails', status: 500, body: 'no', times: 3 },
  ])
  await product.sell({ email: OLD, courseIds: [LOWER] })
  const state = await stateOf(id)
  await lms.noFaults()
  const { status } = await refund({ email: OLD, courseIds: [LOWER] })
  await db.updateTable('withdrawals').set({ due_at: 0 }).where('ended_at', 'is', null).execute()
  await until('no order', async () => (await openOrders()).length === 0 || undefined)
  const [order] = await operations.withdrawals(id)
  assert.equal(state, 'queued')
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`], JSON.stringify([status, state, order?.courses, order?.result]))
})
