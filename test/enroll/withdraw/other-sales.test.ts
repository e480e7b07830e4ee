import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { setFacts, withdrawalsShown } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { adaIn, FAILING, NEW, OLD, startWithHeldCalls } from './held-calls.ts'
import { refund } from './refunding.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ALICE = 'alice@example.com'
const product = await startWithHeldCalls({ answerWithinMs: 2000 })
const { lms, sell, sold, stateOf, show, operations, withdraw, db, bringForward, allEnded, log } = product
const activeIn = () => product.activeIn(ALICE)

async function soldAs(name: string, courseIds: readonly string[] = [DEMO]): Promise<string> {
  return String((await sell({ email: ALICE, name, courseIds })).headers['x-lernito-delivery'])
}

test('an operator’s withdrawal withdraws the other sales of the course to the address, too', async () => {
  const [first, second] = [await soldAs('First'), await soldAs('Second')]
  assert.deepEqual(await operations.otherSales(first, [DEMO]), [second])
  await withdraw(first)
  await allEnded()
  assert.deepEqual(await activeIn(), [])
  assert.deepEqual([await stateOf(first), await stateOf(second)], ['withdrawn', 'withdrawn'], await log(second))
})

test('another sale loses only the courses that the operator chose', async () => {
  const [single, bundle] = [await sold(ALICE), await soldAs('Bundle', [DEMO, PYTHON])]
  await withdraw(single)
  await allEnded()
  assert.deepEqual(await activeIn(), [PYTHON])
  const { state, outcome } = await show(bundle)
  assert.deepEqual([state, outcome?.courses], ['enrolled', { [PYTHON]: 'enrolled' }], await log(bundle))
})

test('a course that was refunded and left to another sale is not withdrawn with what the refunded sale still has', async () => {
  const [single, bundle] = [await sold(ALICE), await soldAs('Bundle', [DEMO, PYTHON])]
  assert.equal((await refund({ url: product.url, email: ALICE, courseIds: [DEMO], sale: bundle })).status, 200)
  await withdraw(bundle)
  await allEnded()
  assert.deepEqual(await activeIn(), [DEMO])
  assert.deepEqual([await stateOf(single), await stateOf(bundle)], ['enrolled', 'withdrawn'], await log(single))
})

test('an older sale that comes again while the withdrawal waits keeps the course', async () => {
  const [older, newer] = [await soldAs('Older'), await soldAs('Newer')]
  await lms.faults(FAILING)
  await operations.withdraw({ id: newer, courses: null, paid: false, by: 'alice' })
  await until('an attempt', async () => (await withdrawalsShown(operations, newer))[0]?.attempts || undefined)
  await lms.noFaults()
  assert.equal(await soldAs('Older'), older, 'the same sale')
  await bringForward()
  await allEnded()
  assert.deepEqual(await activeIn(), [DEMO], `${await log(older)}\n\n${await log(newer)}`)
  assert.deepEqual([await stateOf(older), await stateOf(newer)], ['enrolled', 'withdrawn'])
})

test('a sale of another course, and one to another address, stay as they are', async () => {
  const [first, other, bobs] = [await sold(ALICE), await sold(ALICE, [PYTHON]), await sold('bob@example.com')]
  assert.deepEqual(await operations.otherSales(first, [DEMO]), [])
  await withdraw(first)
  await allEnded()
  assert.deepEqual([await stateOf(other), await stateOf(bobs)], ['enrolled', 'enrolled'])
})

test('a sale that needs attention is concerned too, also if it has not reported the course', async () => {
  const [id, other] = [await sold(ALICE), await sold(ALICE, [DEMO, 'course-v1:No+Such+Course'])]
  assert.equal(await stateOf(other), 'needs_attention')
  assert.deepEqual(await operations.otherSales(id, [DEMO]), [other])
  await withdraw(id)
  await allEnded()
  assert.deepEqual([await product.activeIn(ALICE), await stateOf(other)], [[], 'needs_attention'], await log(other))
})

test('a sale that is still queued keeps no course against an operator’s withdrawal, and goes on without it', async () => {
  const id = await sold(ALICE)
  await lms.faults(FAILING)
  const other = await sold(ALICE, [DEMO, PYTHON])
  assert.equal(await stateOf(other), 'queued')
  assert.deepEqual(await operations.otherSales(id, [DEMO]), [other])
  await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  await lms.noFaults()
  await allEnded()
  assert.deepEqual(
    [await product.activeIn(ALICE), await stateOf(id), await stateOf(other)],
    [[PYTHON], 'withdrawn', 'enrolled'],
    await log(other),
  )
})

for (const as of ['settled', 'paid_back'] as const) {
  test(`nor does a sale that an operator has marked as ${as}`, async () => {
    const id = await sold(ALICE)
    const other = await sold(ALICE, [DEMO, 'course-v1:No+Such+Course'])
    await operations.markHandled({ id: other, as, note: 'by hand', by: 'alice' })
    assert.deepEqual(await operations.otherSales(id, [DEMO]), as === 'settled' ? [other] : [])
    await withdraw(id)
    await allEnded()
    assert.deepEqual(await product.activeIn(ALICE), [], await log(other))
  })
}

test('a sale to another account that has the address by now stays as it is', async () => {
  const ada = adaIn(product)
  await ada.register()
  const first = await sold(OLD)
  await ada.move()
  await lms.people({ email: OLD, username: 'second', active: true })
  const { headers } = await sell({ email: OLD, name: 'Second' })
  const second = String(headers['x-lernito-delivery'])
  assert.deepEqual(await ada.activeIn(), [`${OLD} ${DEMO}`, `${NEW} ${DEMO}`].sort())
  await withdraw(first)
  await allEnded()
  assert.deepEqual([await ada.activeIn(), await stateOf(second)], [[`${OLD} ${DEMO}`], 'enrolled'], await log(second))
})

test('a later sale that waits for another person’s account, and an earlier one to a person who moved, stay as they are', async () => {
  const ada = adaIn(product)
  await ada.register()
  const first = await sold(OLD)
  await ada.move()
  const { headers } = await sell({ email: OLD, name: 'Second' })
  const second = String(headers['x-lernito-delivery'])
  assert.equal(await stateOf(second), 'pre_enrolled')
  await lms.people({ email: OLD, username: 'second', active: false })
  assert.deepEqual([await operations.otherSales(first, [DEMO]), await operations.otherSales(second, [DEMO])], [[], []])
  await withdraw(first)
  await allEnded()
  await lms.activate(OLD) // claims the allowance
  assert.deepEqual(await ada.activeIn(), [`${OLD} ${DEMO}`], await log(second))
  assert.deepEqual(await withdrawalsShown(operations, second), [])
})

test('a sale that still waited when the buyer registered is the same buyer’s', async () => {
  const ada = adaIn(product)
  const waiting = await sold(OLD)
  await ada.register()
  const { headers } = await sell({ email: OLD, name: 'Again' })
  const again = String(headers['x-lernito-delivery'])
  await setFacts(db, waiting, { accounts: {} })
  assert.deepEqual(
    [await operations.otherSales(again, [DEMO]), await operations.otherSales(waiting, [DEMO])],
    [[waiting], [again]],
  )
})
