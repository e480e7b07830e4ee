import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { ended, startWithOperations } from '../../enroll/withdraw/withdrawing.ts'
import { DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { BULK, holdCalls } from '../../service/serving.ts'

const MISSING = 'course-v1:No+Such+Course'
const hold = holdCalls()
const product = await startWithOperations({ lms: { sleep: hold.sleep }, env: { LERNITO_ANSWER_WITHIN_MS: '2000' } })
const { lms, sell, sold, stateOf, show, kinds, operations } = product
after(() => product.stopAll())
beforeEach(async () => {
  await lms.noFaults()
  await lms.reset()
  hold.renew()
})

const by = 'alice'
const correct = async (of: { id: string; email?: string; courseIds?: string[]; withdraw?: { paid: boolean } }) => {
  const done = await operations.correct({ withdraw: null, ...of, by })
  if (done.kind !== 'corrected') throw new Error(`not corrected: ${JSON.stringify(done)}`)
  return done
}
const waitFor = (id: string, state: string) =>
  until(`the state ${state}`, async () => ((await stateOf(id)) === state ? true : undefined))
const emails = async () => {
  const { enrollments, allowances } = await lms.state()
  return [...enrollments.filter(({ active }) => active), ...allowances].map(({ email }) => email).sort()
}

test('a corrected address is another delivery, linked both ways, and the old one becomes handled', async () => {
  const id = await sold('alica@example.com')
  const { id: made, withdrawal } = await correct({ id, email: ' alice@example.com ' })
  await waitFor(made, 'enrolled')
  const [old, replacement] = [await show(id), await show(made)]
  assert.deepEqual([old.state, old.replacedBy, withdrawal], ['handled', made, null])
  assert.deepEqual(
    [replacement.replaces, replacement.source, replacement.request?.email],
    [id, 'correction', 'alice@example.com'],
  )
  const last = (await operations.timeline(id)).at(-1)
  assert.deepEqual([last?.kind, last?.detail, last?.actor], ['handled', `replaced by ${made}`, by])
  const [received, corrected] = await operations.timeline(made)
  assert.deepEqual([received?.kind, received?.actor], ['corrected', by])
  assert.equal(corrected?.kind, 'received')
  assert.equal(received?.detail, `replaces ${id}`)
  const listed = (await operations.audit({})).items.filter(({ deliveryId }) => [id, made].includes(deliveryId))
  assert.deepEqual(
    listed.map(({ deliveryId, kind }) => [deliveryId, kind]),
    [[made, 'corrected']],
    'one entry of the audit',
  )
})

test('a corrected sale that comes again starts its correction, and not what was wrong', async () => {
  const sale = { email: 'alicia@example.com', name: 'Again' }
  const { headers } = await product.sell(sale)
  const id = String(headers['x-lernito-delivery'])
  const { id: made } = await correct({ id, email: 'alice@example.com' })
  await waitFor(made, 'enrolled')
  const again = await product.sell(sale)
  assert.deepEqual([again.status, again.headers['x-lernito-delivery'], await stateOf(id)], [200, made, 'handled'])
  assert.equal((await operations.timeline(id)).at(-1)?.detail, `its correction starts again: ${made}`)
  assert.match((await operations.timeline(made)).map(({ kind }) => kind).join(), /repeated,enrolled$/)
})

test('a correction that withdraws takes the buyer at the old address out again', async () => {
  const id = await sold('eryn@example.com')
  const { id: made } = await correct({ id, email: 'erin@example.com', withdraw: { paid: false } })
  await ended(product, id)
  await waitFor(made, 'enrolled')
  assert.deepEqual(await emails(), ['erin@example.com', 'heidi@example.com'])
  assert.equal(await stateOf(id), 'withdrawn')
})

test('a sale that was withdrawn stays so when it is corrected', async () => {
  const id = await sold('gone@example.com')
  await product.withdraw(id)
  const { id: made } = await correct({ id, email: 'alice@example.com' })
  await waitFor(made, 'enrolled')
  const last = (await operations.timeline(id)).at(-1)
  assert.deepEqual([await stateOf(id), last?.kind, last?.detail], ['withdrawn', 'corrected', `replaced by ${made}`])
})

test('all other fields of the payload stay, so corrections of two sales are two deliveries', async () => {
  const one = await sold('one@example.com')
  const { headers } = await sell({ email: 'one@example.com', name: 'Other' })
  const other = String(headers['x-lernito-delivery'])
  const made = [
    await correct({ id: one, email: 'erin@example.com' }),
    await correct({ id: other, email: 'erin@example.com' }),
  ]
  assert.notEqual(made[0]?.id, made[1]?.id)
  assert.equal((await show(made[1]?.id ?? '')).request?.name, 'Other')
})

test('a delivery that was rejected for its address can be corrected', async () => {
  const id = await sold('no address')
  assert.equal(await stateOf(id), 'rejected')
  const { id: made } = await correct({ id, email: 'frank@example.com' })
  await waitFor(made, 'enrolled')
  assert.equal(await stateOf(id), 'handled')
})

test('corrected course keys replace all keys of the sale', async () => {
  const id = await sold('grace@example.com', [MISSING, DEMO])
  assert.equal(await stateOf(id), 'needs_attention')
  const { id: made } = await correct({ id, courseIds: [DEMO] })
  await waitFor(made, 'enrolled')
  assert.deepEqual((await show(made)).request?.courseIds, [DEMO])
})

test('what the payload rules refuse is refused in the webhook’s words, and stores nothing', async () => {
  const id = await sold('words@example.com')
  const before = (await operations.list({ filter: {} })).items.length
  assert.deepEqual(await operations.correct({ id, email: 'a@b', withdraw: null, by }), {
    kind: 'invalid',
    errors: { email: ['Enter a valid email address.'] },
  })
  assert.deepEqual(await operations.correct({ id, courseIds: ['x'.repeat(256)], withdraw: null, by }), {
    kind: 'invalid',
    errors: { courseIds: { 0: ['Ensure this field has no more than 255 characters.'] } },
  })
  assert.deepEqual(await operations.correct({ id, courseIds: [], withdraw: null, by }), {
    kind: 'invalid',
    errors: { non_field_errors: ['At least one courseId must be provided'] },
  })
  assert.deepEqual(await operations.correct({ id, email: 'words@example.com', withdraw: null, by }), {
    kind: 'unchanged',
  })
  assert.deepEqual(await operations.correct({ id: 'NONE', email: 'x@y.example', withdraw: null, by }), {
    kind: 'unknown',
  })
  assert.equal((await operations.list({ filter: {} })).items.length, before)
  assert.equal((await show(id)).replacedBy, null)
})

test('a delivery is corrected once: a second correction names the first, however close they come', async () => {
  const id = await sold('twice@example.com')
  const order = { id, withdraw: null, by }
  const both = await Promise.all(
    ['a@example.com', 'b@example.com'].map((email) => operations.correct({ ...order, email })),
  )
  assert.deepEqual(both.map(({ kind }) => kind).sort(), ['already', 'corrected'])
  const ids = both.flatMap((one) => ('id' in one ? [one.id] : []))
  assert.equal(new Set(ids).size, 1)
})

test('a sale that the shop has sent with the right address already is linked, and does not start again', async () => {
  const right = await sold('heidi@example.com')
  const { receivedAt } = await show(right)
  const id = await sold('haidi@example.com')
  const { id: made } = await correct({ id, email: 'heidi@example.com' })
  assert.equal(made, right)
  const linked = await show(right)
  assert.deepEqual([linked.replaces, linked.receivedAt], [id, receivedAt])
  assert.deepEqual([linked.state, (await kinds(right)).includes('repeated')], ['enrolled', false])
})

test('a sale that the shop has sent already, and that was refunded since, does not start again: its page is named', async () => {
  const ids: string[] = []
  for (const email of ['alicb@example.com', 'alice@example.com'])
    ids.push(String((await sell({ email, name: 'Refunded' })).headers['x-lernito-delivery']))
  const [wrong = '', right = ''] = ids
  await product.withdraw(right)
  const change = { id: wrong, email: 'alice@example.com' }
  assert.deepEqual(await operations.previewCorrection(change), { kind: 'ended', id: right })
  assert.deepEqual(await operations.correct({ ...change, withdraw: null, by }), { kind: 'ended', id: right })
  assert.deepEqual([await stateOf(right), (await show(wrong)).replacedBy], ['withdrawn', null])
})

test('a correction that is taken back makes the first delivery stand again', async () => {
  const first = await sold('dave@example.com')
  const { id: second } = await correct({ id: first, email: 'davo@example.com' })
  await waitFor(second, 'pre_enrolled')
  const { id: third } = await correct({ id: second, email: 'dave@example.com' })
  assert.equal(third, first)
  await waitFor(first, 'enrolled')
  assert.deepEqual([(await show(first)).replacedBy, (await show(second)).replacedBy], [null, first])
})

test('a replaced delivery that is replayed can be corrected again, to the same delivery', async () => {
  const id = await sold('again@example.com')
  const { id: made } = await correct({ id, email: 'jose@example.com' })
  await waitFor(made, 'enrolled')
  await operations.replay({ ids: [id], by })
  assert.equal((await correct({ id, email: 'jose@example.com' })).id, made)
  assert.equal(await stateOf(id), 'handled')
})

test('a queued delivery is stopped, and its call in flight is awaited', async () => {
  await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
  const selling = sell({ email: 'slow@example.com' })
  await hold.arrived()
  const [found] = (await operations.list({ filter: { email: 'slow@example.com' } })).items
  const id = found?.id ?? ''
  let isDone = false
  const correcting = correct({ id, email: 'alice@example.com' }).finally(() => {
    isDone = true
  })
  await waitFor(id, 'handled')
  await selling
  assert.equal(isDone, false)
  hold.release()
  await correcting
  assert.deepEqual(
    await product.context.database.db.selectFrom('holds').selectAll().where('name', '=', 'slow@example.com').execute(),
    [],
  )
})
