import assert from 'node:assert/strict'
import { test } from 'node:test'
import { operator, readable, startWithConsole } from '../../console/harness.ts'
import { exchange, startProduct } from '../../harness.ts'

test('the page of refused webhooks shows them after a restart', async (t) => {
  const headers = { 'content-type': 'application/json', 'x-lernito-signature': 'ab'.repeat(32) }
  const before = await startProduct()
  for (let i = 0; i < 3; i++) await exchange({ url: before.webhook, headers, body: '{}' })
  await before.stop({ keep: true })
  const product = await startWithConsole({ folder: before.folder })
  t.after(() => product.stop())
  await exchange({ url: product.webhook, headers, body: '{}' })
  const text = readable(await (await operator(product)).see('/refused'))
  assert.match(text, /Wrong or missing signature 127\.0\.0\.1 never sent a valid signature .* 4 Times and days: UTC $/)
})
