import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { COURSES_PATH } from '../../../src/shop/courses/route.ts'
import { REFUND_PATH } from '../../../src/shop/refund/route.ts'
import { STATUS_PATH } from '../../../src/shop/status/route.ts'
import { BODY_LIMIT, WEBHOOK_PATHS } from '../../../src/shop/webhook/route.ts'
import { DEMO, exchange, type Product, payload, SECRET, signed, startProduct } from '../../harness.ts'
import { BULK, holdCalls } from '../../service/serving.ts'

const COURSE = '/api/courses/v1/courses/{id}'

/** Posts in pieces, so that no Content-Length says how long the body is. */
function postChunked(url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: 'POST', headers: { ...signed('{}'), 'transfer-encoding': 'chunked' } })
    sending.once('response', (response) => resolve(response.resume().statusCode ?? 0))
    sending.once('error', reject)
    for (let at = 0; at < body.length; at += 16_384) sending.write(body.slice(at, at + 16_384))
    sending.end()
  })
}

/** Valid JSON of so many bytes. */
const bodyOf = (bytes: number): string => `"${'x'.repeat(bytes - 2)}"`

describe('the webhook over HTTP', () => {
  const previous = 'the-secret-before-it'
  let product: Product
  before(async () => {
    product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: previous } })
  })
  after(() => product.stop())

  for (const path of ['/api/lernito/webhook', '/lernito/webhook']) {
    for (const rest of ['', '/', '//', '?shop=1', '/?a=/b&c']) {
      test(`${path}${rest} accepts a sale, and never redirects`, async () => {
        const body = payload({ email: 'path@example.com' })
        const answered = await exchange({ url: product.url + path + rest, headers: signed(body), body })
        assert.equal(answered.status, 200)
        assert.equal(answered.headers.location, undefined)
      })
    }
  }

  test('a malformed sessionid cookie is ignored, whatever the Accept', async () => {
    const body = payload({ email: 'cookie@example.com' })
    const headers = { ...signed(body), cookie: 'sessionid=nonsense', accept: 'text/html' }
    assert.equal((await exchange({ url: product.webhook, headers, body })).status, 200)
  })

  for (const path of ['/', '/api/lernito', '/api/lernito/webhook/more', '/api/webhook/', '/lernito/webhooks']) {
    test(`${path} gets 404 in JSON, with the path of each kind of request`, async () => {
      const body = payload({ email: 'path@example.com' })
      const answered = await exchange({ url: product.url + path, headers: signed(body), body })
      assert.equal(answered.status, 404)
      assert.match(answered.text, /^{"success":false,"message":"Not found\./)
      const [first] = WEBHOOK_PATHS
      for (const known of [first, STATUS_PATH, COURSES_PATH, REFUND_PATH])
        assert.ok(answered.text.includes(` ${known}`))
    })
  }

  test('a body of 64 KiB is read, with or without Content-Length', async () => {
    const body = bodyOf(BODY_LIMIT)
    assert.equal((await exchange({ url: product.webhook, headers: signed('{}'), body })).status, 401)
    assert.equal(await postChunked(product.webhook, body), 401)
  })

  test('one byte more gets 413, with or without Content-Length', async () => {
    const body = bodyOf(BODY_LIMIT + 1)
    const answered = await exchange({ url: product.webhook, headers: signed('{}'), body })
    assert.equal(answered.status, 413)
    assert.equal(answered.text, '{"success":false,"message":"The body is larger than 64 KiB. Send a shorter one"}')
    assert.equal(await postChunked(product.webhook, body), 413)
  })

  test('the previous secret is accepted, and no other', async () => {
    const body = payload({ email: 'previous@example.com' })
    assert.equal((await exchange({ url: product.webhook, headers: signed(body, previous), body })).status, 200)
    assert.equal((await exchange({ url: product.webhook, headers: signed(body, `${SECRET}2`), body })).status, 401)
  })

  test('x-lernito-delivery names the delivery, even a rejected one; a request that isn’t stored has none', async () => {
    const id = /^[0-9A-Z]{26}$/
    const enrolled = await product.sell({ email: 'id@example.com' })
    const rejected = await product.sell({ email: 'no address' })
    assert.deepEqual([enrolled.status, rejected.status], [200, 400])
    assert.match(String(enrolled.headers['x-lernito-delivery']), id)
    assert.match(String(rejected.headers['x-lernito-delivery']), id)
    const unsigned = await exchange({
      url: product.webhook,
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    assert.deepEqual([unsigned.status, unsigned.headers['x-lernito-delivery']], [401, undefined])
  })

  test('two equal webhooks at once are one delivery, and both are answered 200', async () => {
    await product.lms.faults([{ method: 'POST', path: BULK, delayMs: 100, times: 1 }])
    const answers = await Promise.all([1, 2].map(() => product.sell({ email: 'twice@example.com' })))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    )
    const [first, second] = answers.map(({ headers }) => headers['x-lernito-delivery'])
    assert.equal(first, second)
    const events = product.log.filter(({ delivery }) => delivery === first).map(({ event }) => event)
    // A webhook that arrives during an attempt gets the result of the next one.
    assert.deepEqual(events.slice(0, 3).sort(), ['pre_enrolled', 'received', 'repeated'])
    assert.ok(
      events.slice(3).every((event) => event === 'pre_enrolled'),
      String(events),
    )
  })
})

test('log lines have the delivery’s id, but no secret, signature or whole e-mail address', async (t) => {
  const product = await startProduct({ env: { LERNITO_LOG_LEVEL: 'debug', LERNITO_ANSWER_WITHIN_MS: '1000' } })
  t.after(() => product.stop())
  const address = 'secretive.person@example.com'
  const body = payload({ email: address })
  const sold = await product.sell({ email: address })
  await product.sell({ email: address, courseIds: ['course-v1:No+Such+Course'] })
  assert.equal((await product.sell({ email: address, courseIds: [address] })).status, 400)
  await product.lms.faults([{ status: 500, body: `${address} broke it` }])
  await product.sell({ email: address, courseIds: ['course-v1:Lernito+PY101+2026'] })
  const forged = { ...signed(body), 'x-lernito-signature': '0'.repeat(64) }
  assert.equal((await exchange({ url: product.webhook, headers: forged, body })).status, 401)

  const lines = product.log.map((line) => JSON.stringify(line))
  const id = String(sold.headers['x-lernito-delivery'])
  const own = product.log.filter(({ delivery }) => delivery === id).map(({ event }) => event)
  assert.deepEqual(own, ['received', 'pre_enrolled'])
  assert.ok(lines.some((line) => line.includes('the shop sent a text that is not a course key: s***@example.com')))
  const { 'x-lernito-signature': signature = '' } = signed(body)
  for (const hidden of [SECRET, 'lernito-client-secret', signature, '0'.repeat(64), address, 'secretive.person']) {
    assert.deepEqual(
      lines.filter((line) => line.includes(hidden)),
      [],
    )
  }
})

/** The log line that says that a delivery is pre-enrolled, once it is there. */
async function success(log: readonly Record<string, unknown>[]): Promise<Record<string, unknown>> {
  for (let i = 0; i < 1000; i++) {
    const line = log.find(({ event }) => event === 'pre_enrolled')
    if (line !== undefined) return line
    await delay(10)
  }
  throw new Error('no delivery was pre-enrolled within 10 s')
}

test('with LERNITO_ANSWER_WITHIN_MS=0 a sale gets 202 as soon as it is stored, and is enrolled afterwards', async (t) => {
  const product = await startProduct({ env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
  t.after(() => product.stop())
  await product.lms.faults([{ path: COURSE, delayMs: 300, times: 1 }])
  const { status, json, headers } = await product.sell({ email: 'later@example.com' })
  assert.deepEqual({ status, json }, { status: 202, json: { success: true, message: 'Accepted for 1 course(s)' } })
  assert.ok(!product.log.some(({ event }) => event === 'pre_enrolled'))
  assert.equal((await success(product.log)).delivery, headers['x-lernito-delivery'])
  const { allowances } = await product.lms.state()
  assert.deepEqual(allowances, [{ email: 'later@example.com', course: DEMO, auto_enroll: true, used: false }])
})

test('if the LMS is slower than LERNITO_ANSWER_WITHIN_MS, a sale gets 500 then, and is enrolled afterwards', async (t) => {
  const hold = holdCalls()
  const product = await startProduct({ lms: { sleep: hold.sleep }, env: { LERNITO_ANSWER_WITHIN_MS: '200' } })
  t.after(() => product.stop())
  await product.lms.faults([{ path: COURSE, delayMs: 1, times: 1 }])
  const began = performance.now()
  const { status, json, headers } = await product.sell({ email: 'slow@example.com' })
  const took = performance.now() - began
  assert.deepEqual({ status, json }, { status: 500, json: { success: false, message: 'Internal server error' } })
  assert.ok(took >= 195 && took < 700, `it took ${took} ms`)
  hold.release()
  assert.equal((await success(product.log)).delivery, headers['x-lernito-delivery'])
})

test('while the LMS is down, a sale gets 500 at once, and is enrolled when the LMS is back', async (t) => {
  let skipped = 0
  const product = await startProduct({
    env: { LERNITO_ANSWER_WITHIN_MS: '60000' },
    now: () => Date.now() + skipped,
  })
  t.after(() => product.stop())
  await product.lms.faults([{ drop: 'before' }])
  const began = performance.now()
  const answered = await product.sell({ email: 'down@example.com' })
  assert.equal(answered.status, 500)
  assert.equal(answered.text, '{"success":false,"message":"Internal server error"}')
  assert.ok(performance.now() - began < 2500)
  await product.lms.noFaults()
  assert.deepEqual((await product.lms.state()).allowances, [])
  skipped = 6000 // the first retry comes after 5 s, ±10 %
  assert.equal((await success(product.log)).delivery, answered.headers['x-lernito-delivery'])
  assert.equal((await product.lms.state()).allowances.length, 1)
})
