import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../../../src/service/telemetry/metrics.ts'
import { createObserver } from '../../../src/service/telemetry/observer.ts'
import { exchange, type Product, payload, SECRET, signed, startProduct } from '../../harness.ts'
import { watchedLog } from '../../log-watch.ts'

const PREVIOUS = 'the-secret-before-it'

/** The numbers of webhooks in the warnings of the previous secret. */
const warningsIn = (lines: Product['log']) =>
  lines
    .filter(({ level, msg }) => level === 'warn' && String(msg).includes('LERNITO_WEBHOOK_SECRET_PREVIOUS'))
    .map(({ webhooks }) => webhooks)

test('a minute in which webhooks are signed with the previous secret has one warning with their number', () => {
  const { log, lines } = watchedLog({ level: 'info', env: {} })
  const observer = createObserver({ log, metrics: createMetrics() })
  observer.endMinute()
  assert.deepEqual(warningsIn(lines), [])
  for (let i = 0; i < 3; i++) observer.onPreviousSecret()
  assert.deepEqual(warningsIn(lines), [])
  observer.endMinute()
  assert.deepEqual(warningsIn(lines), [3])
  observer.endMinute()
  assert.deepEqual(warningsIn(lines), [3])
  observer.onPreviousSecret()
  observer.endMinute()
  assert.deepEqual(warningsIn(lines), [3, 1])
})

test('what is signed with the previous secret is counted, and the last minute is reported at the stop', async () => {
  const product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS } })
  const sell = async (secret: string): Promise<void> => {
    const body = payload({ email: 'previous@example.com' })
    assert.equal((await exchange({ url: product.webhook, headers: signed(body, secret), body })).status, 200)
  }
  await sell(SECRET)
  for (let i = 0; i < 4; i++) await sell(PREVIOUS)
  await sell(SECRET)
  const metrics = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
  await product.stop()
  assert.match(metrics.text, /^lernito_webhook_previous_secret_total 4$/m)
  const warned = warningsIn(product.log)
  assert.ok(warned.length > 0 && warned.length <= 2) // a slow machine may begin another minute in between
  assert.equal(
    warned.reduce((sum: number, count) => sum + Number(count), 0),
    4,
  )
})

test('a refused webhook gives no warning of the previous secret', async () => {
  const product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS } })
  const headers = signed('{}', PREVIOUS)
  assert.equal((await exchange({ url: product.webhook, headers, body: '{ }x' })).status, 400)
  await product.stop()
  assert.ok(product.log.every(({ level }) => level === 'info'))
})
