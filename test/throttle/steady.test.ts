import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startProduct } from '../harness.ts'

const SECONDS = 180

test('a webhook a second for three minutes under the stock throttle is answered 200 each time, without a 429', {
  timeout: 240_000,
}, async (t) => {
  const product = await startProduct({
    lms: { throttle: 120, cost: 'measured' },
    env: { LERNITO_LMS_CALLS_PER_MINUTE: '110' },
  })
  t.after(() => product.stop())
  const began = performance.now()
  const selling = []
  for (let second = 0; second < SECONDS; second++) {
    await delay(Math.max(0, began + second * 1000 - performance.now()))
    selling.push(product.sell({ email: `steady${second}@example.com` }))
  }
  const answers = await Promise.all(selling)
  const calls = await product.lms.calls()
  const refused = calls.filter(({ status }) => status === 429).reduce((sum, { count }) => sum + count, 0)
  const statuses = Object.entries(Object.groupBy(answers, ({ status }) => String(status)))
  const said = statuses.map(([status, list]) => `${status}: ${list?.length}`).join(', ')
  process.stdout.write(`# a webhook a second for ${SECONDS} s: ${said}; 429 from the LMS: ${refused}\n`)
  assert.ok(answers.every(({ status }) => status === 200))
  assert.equal(refused, 0)
  assert.equal((await product.lms.state()).allowances.length, SECONDS)
})
