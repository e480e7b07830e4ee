import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { signStandardWebhook } from '../../src/shop/signature/published.ts'
import { type Answered, DEMO, exchange, type Product, payload, SECRET, startProduct } from '../harness.ts'
import { checkOf, DESCRIBED } from '../openapi/described.ts'
import { until } from '../service/process.ts'
import { codeBlocks, codes, readDocument, section, tables } from './documents.ts'

const page = readDocument('docs/reference/refunds-and-status.md')
const [rows = []] = tables(section(page, '## Send a refund'))
const documented = rows.flatMap(([status = '', messages = '']) =>
  codes(messages).map((message) => ({ status: Number(status), message })),
)

let product: Product
before(async () => {
  product = await startProduct({ env: { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '6000' } })
})
after(() => product.stop())

function post(path: string, { id, body }: { id: string; body: string }, at = product): Promise<Answered> {
  const headers = { 'content-type': 'application/json', ...signStandardWebhook({ id, body, secret: SECRET }) }
  return exchange({ url: `${at.url}/api/lernito/${path}/`, headers, body })
}

const body = payload({ email: 'alice@example.com' })

function assertDocumented({ status, text }: Answered): void {
  const { message } = JSON.parse(text)
  const said = message.replace(DEMO, '…')
  assert.ok(
    documented.some((row) => row.status === status && row.message === said),
    `the page has no row for ${status} ${text}`,
  )
}

test('the answers to refunds are as the page says', async (t) => {
  const off = await startProduct()
  t.after(() => off.stop())
  const never = await post('refund', { id: 'refund-1', body })
  const named = JSON.stringify({ ...JSON.parse(body), sale: 'order-1001' })
  const neverNamed = await post('refund', { id: 'refund-1', body: named })
  await post('webhook', { id: 'order-1', body })
  const misused = await post('refund', { id: 'order-1', body })
  const done = await post('refund', { id: 'refund-2', body })
  await post('webhook', { id: 'order-3', body })
  await product.lms.faults([{ status: 503 }])
  const later = await post('refund', { id: 'refund-3', body })
  await product.lms.noFaults()
  const withoutRefunds = await post('refund', { id: 'refund-1', body }, off)
  const answers = [done, later, misused, never, neverNamed, withoutRefunds]
  for (const answer of answers) assertDocumented(answer)
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 202, 400, 404, 404, 404],
  )
  assert.deepEqual(
    answers.map(({ headers }) => headers['x-lernito-delivery'] !== undefined),
    [true, true, false, false, false, false],
  )
  await until('the refund', async () => (await post('refund', { id: 'refund-3', body })).status === 200 || undefined)
})

test('the samples of the page are as described, and a real answer has the fields of the sample', async () => {
  const [sample = ''] = codeBlocks(section(page, '## Ask for the status'), 'json')
  assert.equal(checkOf(DESCRIBED.components.schemas.Status).safeParse(JSON.parse(sample)).error, undefined)
  const [refund = '', status = ''] = codeBlocks(page, 'http').map((request) => request.split('\n\n')[1] ?? '')
  assert.equal(checkOf(DESCRIBED.components.schemas.Sale).safeParse(JSON.parse(refund)).error, undefined)
  assert.equal(checkOf(DESCRIBED.components.schemas.StatusRequest).safeParse(JSON.parse(status)).error, undefined)

  const sold = await post('webhook', { id: 'order-2', body: payload({ email: 'frank@example.com' }) })
  const delivery = String(sold.headers['x-lernito-delivery'])
  const asked = JSON.stringify({ deliveries: [delivery, '01M877N0CN0000HP38NRE1NGTK'] })
  const { status: code, text } = await post('status', { id: 'status-1', body: asked })
  assert.equal(code, 200)
  const expected = JSON.parse(sample)
  expected.deliveries[0] = { ...expected.deliveries[0], id: delivery, webhookId: 'order-2' }
  assert.deepEqual(JSON.parse(text), expected)
})
