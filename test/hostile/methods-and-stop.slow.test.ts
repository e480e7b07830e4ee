import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { METHODS } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { exchange, type Product, payload, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { storedDeliveries } from '../service/serving.ts'
import { openRaw, requestBytes, signedHeaders } from './raw.ts'

const body = payload({ email: 'method@example.com' })

describe('methods', () => {
  let product: Product
  before(async () => {
    product = await startProduct()
  })
  after(() => product.stop())

  const ask = (method: string, path: string) => {
    const headers = Object.fromEntries(signedHeaders(body))
    // Node's client sends a body with every method that it supports.
    return exchange({ url: product.url + path, method, headers, body })
  }

  for (const method of METHODS.filter((one) => !['POST', 'OPTIONS', 'CONNECT'].includes(one))) {
    test(`${method} gets 405 on the webhook, signed or not, and 404 elsewhere`, async () => {
      for (const path of ['/api/lernito/webhook/', '/lernito/webhook']) {
        const { status, headers, text } = await ask(method, path)
        assert.deepEqual([status, headers.allow, headers.location], [405, 'POST, OPTIONS', undefined])
        const detail = `Method "${method}" not allowed.`
        if (method !== 'HEAD') assert.deepEqual(JSON.parse(text), { success: false, message: detail, detail })
      }
      const remoteDeliveries = await ask(method, '/nothing')
      assert.equal(remoteDeliveries.status, 404)
      if (method !== 'HEAD') assert.match(remoteDeliveries.text, /^{"success":false,"message":"Not found\./)
    })
  }

  test('a method is refused before its media type and body are checked', async () => {
    for (const headers of [{ 'content-type': 'nonsense' }, { 'content-type': 'text/plain' }, {}]) {
      const { status } = await exchange({ url: product.webhook, method: 'PUT', headers, body: 'x'.repeat(100_000) })
      assert.equal(status, 405)
      const remoteDeliveries = await exchange({
        url: `${product.url}/x`,
        method: 'PUT',
        headers,
        body: 'x'.repeat(100_000),
      })
      assert.equal(remoteDeliveries.status, 404)
    }
  })

  test('each refusal is one log line with a code, and only the address is from the sender', async (t) => {
    const own = await startProduct()
    t.after(() => own.stop())
    own.log.splice(0)
    await exchange({ url: `${own.webhook}?token=abc`, method: 'PUT', headers: { 'x-evil': 'one' } })
    await exchange({ url: `${own.url}/wp-admin/setup.php?x=1`, method: 'POST', headers: { 'user-agent': 'evil' } })
    assert.deepEqual(
      own.log.map(({ time, ...line }) => line),
      [
        { level: 'info', code: 'method', status: 405, ip: '127.0.0.1', msg: 'webhook refused' },
        { level: 'info', code: 'not_found', status: 404, ip: '127.0.0.1', msg: 'request refused' },
      ],
    )
  })

  test('each answer of the webhook is counted by its status, and no other answer is', async () => {
    const counted = async (): Promise<string[]> => {
      const { text } = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
      return text.split('\n').filter((line) => line.startsWith('lernito_webhook_answers_total{'))
    }
    const before = await counted()
    await exchange({ url: `${product.url}/nothing`, method: 'POST' })
    assert.deepEqual(await counted(), before)
    const type = { 'content-type': 'application/json' }
    await exchange({ url: product.webhook, headers: type, body: '{}' })
    await exchange({ url: product.webhook, headers: type, body: '{' })
    const more = (await counted()).filter((line) => !before.includes(line))
    assert.deepEqual(more.sort(), [
      'lernito_webhook_answers_total{status="400"} 1',
      'lernito_webhook_answers_total{status="401"} 1',
    ])
  })

  test('none of these requests is stored', async () => {
    assert.deepEqual(await storedDeliveries(product.folder), [])
  })
})

test('a request that comes in during the stop gets 503 with Retry-After, and is not stored', async () => {
  const product = await startProduct()
  const connection = await openRaw(product)
  const late = requestBytes({ headers: signedHeaders(body), body })
  connection.send(late.subarray(0, 80))
  assert.equal((await product.sell({ email: 'before@example.com' })).status, 200) // so that the beginning is read too
  const stopped = product.stop({ keep: true })
  await until('the stop', () => product.log.some(({ msg }) => msg === 'stopping') || undefined)
  connection.send(late.subarray(80))
  const [answer] = await connection.untilClosed()
  assert.deepEqual(
    [answer?.status, answer?.headers['retry-after'], answer?.headers.connection, answer?.text],
    [
      503,
      '30',
      'close',
      '{"success":false,"message":"The service is stopping and did not accept the delivery. Send it again later"}',
    ],
  )
  await stopped
  assert.deepEqual(
    (await storedDeliveries(product.folder)).map(({ email }) => email),
    ['before@example.com'],
  )
  rmSync(product.folder, { recursive: true })
})
