import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { operator, readable, startWithConsole } from './harness.ts'

const DAY_MS = 24 * 3_600_000
let ahead = -2 * DAY_MS
const now = (): number => Date.UTC(2026, 10, 28, 12) + ahead
const product = await startWithConsole({ now, lms: { now } })
after(() => product.stop())

test('the list names the days of the last activity, newest first; a row of an earlier day has the time alone', async () => {
  for (const email of ['first@example.com', 'second@example.com', 'third@example.com']) {
    await product.sell({ email })
    ahead += DAY_MS
  }
  ahead -= DAY_MS
  const text = readable(await (await operator(product, now)).see('/deliveries'))
  const days =
    /Today, Sat 28 Nov .*third@.* Yesterday, Fri 27 Nov .*second@.* 12:00 UTC Thu 26 Nov .*first@.* 12:00 UTC/
  assert.match(text, days)
})
