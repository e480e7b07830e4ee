import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { DEMO, exchange, type Product, SECRET, signed, startProduct } from '../harness.ts'

// What a line may not hold or be, test/log-watch.ts says; it looks at every line that this file makes.

const NASTY = [
  'a\r\n{"level":"error","msg":"forged"}',
  '\u001b[31mred\u001b[0m\u001b]0;title\u0007',
  '\u009b31m\u2028\u2029\u0085',
  '\u202efdp\u2066\u200f\u200b\ufeff',
  'NUL\0',
  '<script>alert(1)</script>',
  '%0d%0a%1b[31m',
  'alice@example.com',
  'ab12'.repeat(16),
  'eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl',
  'x'.repeat(50_000),
  'x@'.repeat(25_000),
]

const sale = { email: 'newcomer@example.com', name: 'New', family: 'Comer', username: 'newcomer', courseIds: [DEMO] }
const FIELDS = ['email', 'name', 'family', 'username', 'courseIds', 'more'] as const

function post(product: Product, value: unknown, headers: Record<string, string> = {}) {
  const body = JSON.stringify(value)
  return exchange({ url: product.webhook, headers: { ...signed(body), ...headers }, body })
}

async function start(t: TestContext): Promise<Product> {
  const product = await startProduct({ env: { LERNITO_LOG_LEVEL: 'debug', LERNITO_ANSWER_WITHIN_MS: '20000' } })
  t.after(() => product.stop())
  return product
}

test('whatever a signed payload holds in any field, at any level of the log', async (t) => {
  const product = await start(t)
  for (const text of NASTY) {
    for (const field of FIELDS) {
      const value = field === 'courseIds' ? [text] : text
      const answered = await post(product, { ...sale, [field]: value, [text]: text })
      assert.notEqual(answered.status, 401)
    }
  }
  assert.ok(product.log.length >= FIELDS.length * NASTY.length)
})

/** A header's value as HTTP can carry it: bytes, without the line breaks that end it. */
const asHeader = (text: string): string =>
  Buffer.from(text.slice(0, 5_000))
    .toString('latin1')
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')

test('whatever a request without a signature holds in its headers, path and body', async (t) => {
  const product = await start(t)
  for (const text of [...NASTY, SECRET]) {
    const value = asHeader(text)
    for (const name of ['content-type', 'content-encoding', 'x-lernito-signature', 'x-forwarded-for', 'user-agent']) {
      const { status } = await post(product, sale, { [name]: value })
      assert.ok(status === 200 || (status >= 400 && status < 500), `${name} ${status}`)
    }
    assert.equal((await post(product, text, { 'x-lernito-signature': 'no' })).status, 401)
    const path = encodeURIComponent(text.slice(0, 2_000).toWellFormed())
    for (const url of [`${product.url}/${path}`, `${product.webhook}?${path}`]) {
      assert.ok((await exchange({ url, method: 'PUT' })).status >= 400)
    }
  }
  assert.ok(product.log.filter(({ msg }) => msg === 'webhook refused').length >= 5) // the rest is one line a minute
})

test('bytes that are not HTTP', async (t) => {
  const product = await start(t)
  for (const text of NASTY) {
    const sent = request(product.webhook, { method: 'POST', headers: { 'content-length': '1' } })
    sent.on('error', () => {})
    sent.on('socket', (socket) => socket.on('connect', () => socket.end(text)))
    await new Promise<void>((resolve) => sent.on('close', resolve).on('response', (response) => response.resume()))
  }
  assert.equal((await exchange({ url: `${product.url}/healthz`, method: 'GET' })).status, 200)
})

test('what the LMS is told, and says, at the level debug', async (t) => {
  const product = await start(t)
  for (const fault of [{ status: 500 }, { status: 401 }, { drop: 'before' }, { status: 200, body: NASTY.join() }]) {
    await product.lms.faults([{ ...fault, times: 3 }])
    await product.sell({ email: `new-${product.log.length}@example.com` })
  }
  assert.ok(product.log.some(({ msg }) => msg === 'LMS call'))
  assert.ok(product.log.some(({ level }) => level === 'warn'))
})
