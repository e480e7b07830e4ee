import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange, payload, SECRET, signed, startProduct } from '../../harness.ts'

const PREVIOUS = 'the-secret-before-it'

test('webhooks that are signed with the previous secret give a warning with their count, at most once a minute', async (t) => {
  const began = Date.now()
  let skipped = 0
  const now = (): number => began + skipped // it stands still otherwise: on a busy machine, a minute passes quickly
  const product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS }, now })
  t.after(() => product.stop())
  const sell = async (secret: string): Promise<void> => {
    const body = payload({ email: 'previous@example.com' })
    assert.equal((await exchange({ url: product.webhook, headers: signed(body, secret), body })).status, 200)
  }
  const warnings = () =>
    product.log
      .filter(({ level, msg }) => level === 'warn' && String(msg).includes('LERNITO_WEBHOOK_SECRET_PREVIOUS'))
      .map(({ webhooks }) => webhooks)

  await sell(SECRET)
  assert.deepEqual(warnings(), [])
  for (let i = 0; i < 3; i++) await sell(PREVIOUS)
  assert.deepEqual(warnings(), [1])
  skipped = 59_000
  await sell(PREVIOUS)
  assert.deepEqual(warnings(), [1])
  skipped = 120_000
  await sell(SECRET)
  assert.deepEqual(warnings(), [1])
  await sell(PREVIOUS)
  assert.deepEqual(warnings(), [1, 4])
  const metrics = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
  assert.match(metrics.text, /^lernito_webhook_previous_secret_total 5$/m)
})

test('a refused webhook gives no warning of the previous secret', async (t) => {
  const product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS } })
  t.after(() => product.stop())
  const headers = signed('{}', PREVIOUS)
  assert.equal((await exchange({ url: product.webhook, headers, body: '{ }x' })).status, 400)
  assert.ok(product.log.every(({ level }) => level === 'info'))
})
