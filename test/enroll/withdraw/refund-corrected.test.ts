import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { replacementsOf } from '../../../src/queue/withdrawals/refunded-sales.ts'
import { DEMO, payload } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { refund as post, post as postTo, standard } from './refunding.ts'
import { ended, startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
const [ALICE, ERIN] = ['alice@example.com', 'erin@example.com']
const WRONG = 'alica@example.com'
const env = { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '5000' }
const product = await startWithOperations({ env })
const { lms, sold, stateOf, operations } = product
after(() => product.stopAll())
beforeEach(async () => {
  for (const table of ['deliveries', 'events', 'delivery_lines', 'webhook_ids'] as const) {
    await product.context.database.db.deleteFrom(table).execute()
  }
  await lms.reset()
})

const refund = (email: string, courseIds: readonly string[] = [DEMO]) => post({ url: product.url, email, courseIds })
const access = async () => {
  const { enrollments, allowances } = await lms.state()
  const active = [...enrollments.filter((row) => row.active), ...allowances]
  const ours = active.filter(({ course }) => [DEMO, PYTHON, CLEAN].includes(course))
  return ours.map(({ email, course }) => `${email} ${course}`).sort()
}
/** Corrects a delivery, and waits until the one that replaces it is done. */
async function corrected(of: {
  id: string
  email?: string
  courseIds?: string[]
  withdraw?: { paid: boolean }
}): Promise<string> {
  const done = await operations.correct({ withdraw: null, ...of, by: 'alice' })
  if (done.kind !== 'corrected') throw new Error(`not corrected: ${JSON.stringify(done)}`)
  await until('the corrected sale', async () => /enrolled|attention/.test(await stateOf(done.id)) || undefined)
  return done.id
}

test('a refund of a sale whose address was corrected takes the course from the right buyer', async () => {
  const right = await corrected({ id: await sold(WRONG), email: ALICE })
  assert.equal((await refund(WRONG)).status, 200)
  assert.deepEqual([await access(), await stateOf(right)], [[], 'withdrawn'])
})

test('a late retry of a corrected sale starts nothing after its refund', async () => {
  const body = payload({ email: WRONG })
  const sale = () => postTo({ url: product.url, path: 'webhook', body, headers: standard(body, 'order_1') })
  await corrected({ id: String((await sale()).headers['x-lernito-delivery']), email: ALICE })
  assert.equal((await refund(WRONG)).status, 200)
  assert.deepEqual((await sale()).json, { success: false, message: `Course ${DEMO} was withdrawn` })
  assert.deepEqual(await access(), [])
})

test('a refund of a sale whose course key was corrected takes the right course', async () => {
  const id = await sold(ALICE, ['course-v1:No+Such+Course', DEMO])
  await corrected({ id, courseIds: [PYTHON, DEMO] })
  assert.equal((await refund(ALICE, ['course-v1:No+Such+Course'])).status, 200)
  assert.deepEqual(await access(), [`${ALICE} ${DEMO}`])
})

test('a refund of a sale whose course key was malformed takes the course that it was corrected to', async () => {
  const id = await sold(ALICE, ['DemoX'])
  assert.equal(await stateOf(id), 'rejected')
  await corrected({ id, courseIds: [DEMO] })
  assert.equal((await refund(ALICE, ['DemoX'])).status, 200)
  assert.deepEqual(await access(), [])
  const never = await refund(ALICE, ['PyX'])
  assert.deepEqual([never.status, never.json], [400, { success: false, message: 'Invalid course key format: PyX' }])
})

test('a refund of a sale whose address was invalid takes the course from who has it, and is else refused as a sale is', async () => {
  const id = await sold('alice@example')
  assert.equal(await stateOf(id), 'rejected')
  const invalid = { success: false, message: { email: ['Enter a valid email address.'] } }
  const early = await refund('alice@example')
  assert.deepEqual([early.status, early.json], [400, invalid])
  await corrected({ id, email: ALICE })
  assert.equal((await refund('erin@example')).status, 400)
  const other = await post({ url: product.url, email: 'alice@example', name: '' })
  assert.equal(other.status, 400)
  const mixed = payload({ email: 'alice@example', courseIds: [DEMO, '7'] }).replace('"7"', '7')
  const more = await postTo({ url: product.url, path: 'refund', body: mixed, headers: standard(mixed, 'refund_1') })
  assert.deepEqual([more.status, more.json], [400, invalid])
  assert.deepEqual(await access(), [`${ALICE} ${DEMO}`])
  assert.equal((await refund('alice@example')).status, 200)
  assert.deepEqual(await access(), [])
})

test('a refund may name a sale by what corrects it: the shop knows its id from an event or the answer to a repeat', async () => {
  const named = (sale: string, email: string, courseIds: readonly string[]) =>
    post({ url: product.url, email, courseIds, sale })
  const ofAddress = await corrected({ id: await sold(WRONG), email: ALICE })
  assert.equal((await named(ofAddress, WRONG, [DEMO])).status, 200)
  assert.deepEqual([await access(), await stateOf(ofAddress)], [[], 'withdrawn'])
  const first = await corrected({ id: await sold(ERIN, ['course-v1:No+Such+Course']), courseIds: ['x/No/Such'] })
  const ofKey = await corrected({ id: first, courseIds: [PYTHON] })
  assert.equal((await named(ofKey, ERIN, ['course-v1:No+Such+Course'])).status, 200)
  assert.deepEqual([await access(), await stateOf(ofKey)], [[], 'withdrawn'])
})

test('each of two sales that were corrected to the same one may be named by that', async () => {
  const right = await corrected({ id: await sold(WRONG), email: ALICE })
  assert.equal(await corrected({ id: await sold('alicia@example.com'), email: ALICE }), right)
  const { status } = await post({ url: product.url, email: WRONG, sale: right })
  assert.deepEqual([status, await stateOf(right)], [200, 'withdrawn'])
})

test('corrections are followed to the end, and what was sold besides is left alone', async () => {
  const others = [await sold(ERIN, [PYTHON]), await sold(ALICE)]
  const first = await corrected({
    id: await sold(WRONG, ['course-v1:No+Such+Course']),
    email: 'alicia@example.com',
    courseIds: [DEMO],
  })
  const last = await corrected({ id: first, email: ERIN })
  assert.equal((await refund(WRONG, ['course-v1:No+Such+Course'])).status, 200)
  assert.deepEqual(await access(), [`${ALICE} ${DEMO}`, `${ERIN} ${PYTHON}`])
  assert.equal(await stateOf(last), 'withdrawn')
  for (const other of others) assert.equal(await stateOf(other), 'enrolled')
})

test('of a sale that was refunded in part and then corrected, a refund of the rest takes what replaces that', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  assert.equal((await refund(ALICE, [DEMO])).status, 200)
  const right = await corrected({ id, courseIds: [CLEAN] })
  assert.equal((await refund(ALICE, [PYTHON])).status, 200)
  assert.deepEqual([await access(), await stateOf(right)], [[], 'withdrawn'])
})

test('a refund that comes again takes nothing that a correction has added since', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  assert.equal((await refund(ALICE, [DEMO])).status, 200)
  await corrected({ id, courseIds: [PYTHON, CLEAN] })
  assert.equal((await refund(ALICE, [DEMO])).status, 200)
  assert.deepEqual(await access(), [`${ALICE} ${CLEAN}`, `${ALICE} ${PYTHON}`])
})

test('a correction that sells a refunded course again is refunded with it', async () => {
  const id = await sold(WRONG)
  assert.equal((await refund(WRONG)).status, 200)
  const right = await corrected({ id, email: ALICE })
  assert.equal((await refund(WRONG)).status, 200)
  assert.deepEqual([await access(), await stateOf(right)], [[], 'withdrawn'])
})

test('a new refund of a sale that was refunded as a whole and then corrected takes what replaces its course; a repeat does not', async () => {
  const known = (id: string) => post({ url: product.url, id, email: ALICE, courseIds: [DEMO] })
  const id = await sold(ALICE)
  assert.equal((await known('refund_1')).status, 200)
  const right = await corrected({ id, courseIds: [PYTHON] })
  assert.equal((await known('refund_1')).status, 200)
  assert.deepEqual(await access(), [`${ALICE} ${PYTHON}`])
  assert.equal((await refund(ALICE)).status, 200)
  assert.deepEqual([await access(), await stateOf(right)], [[], 'withdrawn'])
})

test('a refund takes what replaces a course that the correction itself has withdrawn', async () => {
  const id = await sold(ALICE)
  const right = await corrected({ id, courseIds: [PYTHON], withdraw: { paid: false } })
  await ended(product, id)
  assert.deepEqual(await access(), [`${ALICE} ${PYTHON}`])
  assert.equal((await refund(ALICE)).status, 200)
  assert.deepEqual([await access(), await stateOf(right)], [[], 'withdrawn'])
})

test('a correction that was taken back makes no endless chain', async () => {
  const id = await sold(WRONG)
  const right = await corrected({ id, email: ALICE })
  await corrected({ id: right, email: WRONG })
  await product.context.database.db.updateTable('deliveries').set({ replaced_by: right }).where('id', '=', id).execute()
  assert.equal((await refund(WRONG)).status, 200)
  assert.deepEqual(await access(), [])
})

test('what replaces a course key is told by the order, or by there being only one; else nothing does', () => {
  const [A, B, C, D] = ['course-v1:x+A+1', 'course-v1:x+B+1', 'course-v1:x+C+1', 'course-v1:x+D+1'] as const
  assert.deepEqual(replacementsOf(A, { before: [A, B], after: [B, C] }), [C])
  assert.deepEqual(replacementsOf(B, { before: [A, B], after: [C, D] }), [D])
  assert.deepEqual(replacementsOf(B, { before: [A, B], after: [B, C] }), [B])
  assert.deepEqual(replacementsOf(A, { before: [A], after: [C, D] }), [C, D])
  assert.deepEqual(replacementsOf(A, { before: [A, B], after: [C] }), [])
  assert.deepEqual(replacementsOf(A, { before: [A, B], after: [B] }), [])
  assert.deepEqual(replacementsOf(C, { before: [A], after: [C] }), [])
})
