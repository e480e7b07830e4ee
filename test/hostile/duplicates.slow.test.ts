import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sign } from '../../src/shop/signature/signature.ts'
import { type Answered, exchange, type Product, payload, SECRET, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK, storedDeliveries } from '../service/serving.ts'

// test/shop/webhook and test/enroll test that a repeat joins one in flight, and enrolls a person again.

const DAY_MS = 86_400_000
const ALICE = 'alice@example.com'
const SALE = payload({ email: ALICE })
/** One signature over the canonical form, which is valid for every spelling. */
const CAPTURED = sign({ body: SALE, form: 'original', secret: SECRET })
const spelled = (number: number): string => {
  const members = Object.entries(JSON.parse(SALE)).map(([key, value]) => `"${key}":${JSON.stringify(value)}`)
  const turned = [...members.slice(number % 5), ...members.slice(0, number % 5)]
  return `{${' '.repeat(number)}${turned.join(',\n')}}`
}

const send = (product: Product, body = SALE): Promise<Answered> =>
  exchange({
    url: product.webhook,
    headers: { 'content-type': 'application/json', 'x-lernito-signature': CAPTURED },
    body,
  })
const idOf = ({ headers }: Answered): string => String(headers['x-lernito-delivery'])
const eventsOf = (product: Product, id: string): unknown[] =>
  product.log.filter(({ delivery }) => delivery === id).map(({ event }) => event)

test('fifty copies at once, each in another order and spacing, are one delivery with one enrollment and one answer', async (t) => {
  const product = await startProduct()
  t.after(() => product.stop())
  await product.lms.faults([{ method: 'POST', path: BULK, delayMs: 200, times: 1 }])
  const answers = await Promise.all(Array.from({ length: 50 }, (_, number) => send(product, spelled(number))))
  assert.deepEqual([...new Set(answers.map(({ status, text }) => `${status} ${text}`))].length, 1)
  assert.equal(answers[0]?.status, 200)
  assert.equal(new Set(answers.map(idOf)).size, 1)
  assert.deepEqual(
    (await storedDeliveries(product.folder)).map(({ email, state }) => ({ email, state })),
    [{ email: ALICE, state: 'enrolled' }],
  )
  const events = eventsOf(product, answers.map(idOf)[0] ?? '')
  assert.equal(events.filter((event) => event === 'received').length, 1)
  assert.equal(events.filter((event) => event === 'repeated').length, 49)
  const { enrollments } = await product.lms.state()
  assert.equal(enrollments.filter(({ email }) => email === ALICE).length, 1)
})

test('a copy, right away or a year later, is the same delivery and changes nothing in the LMS', async (t) => {
  let skipped = 0
  const env = { LERNITO_RETENTION_DAYS: '1000' }
  const product = await startProduct({ env, now: () => Date.now() + skipped })
  t.after(() => product.stop())
  const first = await send(product)
  const state = await product.lms.state()
  for (skipped of [0, 365 * DAY_MS]) {
    const again = await send(product, spelled(3))
    assert.deepEqual([again.status, again.text, idOf(again)], [200, first.text, idOf(first)])
    assert.deepEqual(await product.lms.state(), state)
  }
})

test('a copy after a restart is the same delivery; after retention deleted it, a copy is a new one and is enrolled', async (t) => {
  const first = await startProduct()
  const folder = first.folder
  const id = idOf(await send(first))
  await first.stop({ keep: true })

  const second = await startProduct({ folder })
  const again = await send(second, spelled(1))
  await second.stop({ keep: true })
  assert.deepEqual([again.status, idOf(again)], [200, id])

  const env = { LERNITO_RETENTION_DAYS: '1' }
  const late = await startProduct({ folder, env, now: () => Date.now() + 3 * DAY_MS, retentionMs: 100 })
  t.after(() => late.stop())
  await until('the deletion', () => late.log.some(({ msg }) => msg === 'old deliveries deleted') || undefined)
  assert.deepEqual(await storedDeliveries(folder), [])
  const anew = await send(late)
  assert.equal(anew.status, 200)
  assert.notEqual(idOf(anew), id)
  const { enrollments } = await late.lms.state()
  assert.equal(enrollments.filter(({ email }) => email === ALICE).length, 1)
})

test('a copy of a delivery that needs attention is attempted again, on a new schedule', async (t) => {
  const product = await startProduct({ lms: { bulk: false, modify: false } })
  t.after(() => product.stop())
  const refusing = { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: '{"message":"no room"}' }
  await product.lms.faults([refusing])
  const refused = await send(product)
  const stateOf = async () => (await storedDeliveries(product.folder)).map(({ state }) => state)
  assert.equal(refused.status, 400)
  assert.deepEqual(await stateOf(), ['needs_attention'])
  await product.lms.noFaults()
  const again = await send(product, spelled(2))
  assert.deepEqual([again.status, idOf(again)], [200, idOf(refused)])
  assert.deepEqual(await stateOf(), ['enrolled'])
})
