import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { setFacts } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { adaIn, LATE, NEW, OLD, startWithHeldCalls } from './held-calls.ts'
import { refund as post } from './refunding.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const product = await startWithHeldCalls({ answerWithinMs: 1500, landsMs: 1500 })
const { lms, db, hold, sell, sold, stateOf, operations, allEnded, log, url } = product
const { register, move, activeIn } = adaIn(product)
const refund = (of: { email: string; courseIds?: readonly string[]; sale?: string }) => post({ url, ...of })
const keptBy = (delivery: string) => ({
  success: true,
  message: 'Withdrawal verified for 1 course(s)',
  kept: [{ course: DEMO, reason: 'sale', delivery }],
})
const idOf = ({ headers }: { headers: Record<string, unknown> }): string => String(headers['x-lernito-delivery'])
const staffSets = (active: boolean) => lms.seed({ enrollments: [{ email: OLD, course: DEMO, mode: 'audit', active }] })

test('a look that found the access ended is void once the buyer is in the course again: a sale that is paid keeps it', async () => {
  await register()
  const [first, second] = [await sold(OLD), await sold(OLD, [DEMO, PYTHON])]
  await staffSets(false)
  const at = Date.now()
  const ended = { standing: 'unenrolled', mode: 'audit', checkedAt: at, since: at, endedAt: at } as const
  for (const id of [first, second]) await setFacts(db, id, { standings: { [DEMO]: ended } })
  await staffSets(true)
  assert.deepEqual((await refund({ email: OLD, sale: first })).json, keptBy(second))
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`, `${OLD} ${PYTHON}`].sort())
})

test('a sale that needs attention for another course keeps what was paid for, and its own refund ends it', async () => {
  await register()
  const first = await sold(OLD)
  const second = idOf(await sell({ email: OLD, courseIds: [DEMO, 'course-v1:No+Such+Course'] }))
  assert.equal(await stateOf(second), 'needs_attention')
  assert.deepEqual((await refund({ email: OLD, sale: first })).json, keptBy(second))
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`])
  assert.equal((await refund({ email: OLD, courseIds: [DEMO], sale: second })).status, 200)
  assert.deepEqual(await activeIn(), [], await log(second))
})

test('a late call of a refund undoes no sale that keeps the course: that sale starts again, and tells the shop', async () => {
  await register()
  const first = await sold(OLD)
  await lms.faults([{ ...LATE, path: UNENROLL }])
  assert.equal((await refund({ email: OLD })).status, 202)
  await move()
  const again = await sold(NEW)
  assert.deepEqual([await stateOf(again), await activeIn()], ['enrolled', [`${NEW} ${DEMO}`]])
  hold.release()
  await until('the late call', async () => (await activeIn()).length === 0 || undefined)
  await allEnded()
  assert.deepEqual([await stateOf(again), await activeIn()], ['enrolled', [`${NEW} ${DEMO}`]], await log(first))
  const kinds = await product.kinds(again)
  assert.deepEqual(kinds.slice(-3).sort(), ['enrolled', 'kept', 'repair_started'], kinds.join())
  await refund({ email: NEW })
  await allEnded()
  assert.deepEqual(await activeIn(), [])
})

test('the account that a batch has named stays known if its answer is lost, wherever its address goes', async () => {
  await register()
  await lms.faults([{ method: 'POST', path: BULK, drop: 'after', times: 1 }])
  const id = idOf(await sell({ email: OLD }))
  await move()
  await allEnded()
  assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [`${NEW} ${DEMO}`]], await log(id))
  assert.deepEqual((await lms.state()).allowances, [], 'the deserted address gets none')
  await refund({ email: OLD })
  await allEnded()
  assert.deepEqual(await activeIn(), [])
})

test('a correction to a sale that was done already links it, and enrolls nobody who was unenrolled since', async () => {
  await register()
  const wrong = idOf(await sell({ email: OLD, courseIds: ['course-v1:No+Such+Course'] }))
  const right = await sold(OLD)
  await staffSets(false)
  const corrected = await operations.correct({ id: wrong, courseIds: [DEMO], by: 'alice', withdraw: null })
  assert.deepEqual([corrected.kind, 'id' in corrected && corrected.id], ['corrected', right])
  await allEnded()
  assert.deepEqual([await activeIn(), await stateOf(right)], [[], 'enrolled'])
})

test('a correction of a sale that was done reads first, and leaves alone who was unenrolled since', async () => {
  await register()
  const bundle = idOf(await sell({ email: OLD, courseIds: [DEMO, PYTHON] }))
  assert.equal(await stateOf(bundle), 'enrolled')
  await staffSets(false)
  const courseIds = [DEMO, 'course-v1:Lernito+Honor+2026']
  const corrected = await operations.correct({ id: bundle, courseIds, by: 'alice', withdraw: null })
  assert.ok('id' in corrected)
  await allEnded()
  assert.equal(await stateOf(corrected.id), 'needs_attention')
  assert.equal((await activeIn()).includes(`${OLD} ${DEMO}`), false, await log(corrected.id))
})

test('a correction of a sale that gave nothing yet enrolls also who was unenrolled before', async () => {
  await register()
  await staffSets(false)
  const wrong = idOf(await sell({ email: OLD, courseIds: ['course-v1:No+Such+Course'] }))
  await operations.correct({ id: wrong, courseIds: [DEMO], by: 'alice', withdraw: null })
  await allEnded()
  assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`])
})
