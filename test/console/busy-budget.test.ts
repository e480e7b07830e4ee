import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { operator, readable, startWithConsole } from './harness.ts'

/** The bucket holds one permit, and the next one comes after 20 s. */
const product = await startWithConsole({ env: { LERNITO_LMS_CALLS_PER_MINUTE: '4' } })
after(() => product.stop())

test('the page of a withdrawal does not wait for a call budget that is used up: it says that the LMS could not be read', async () => {
  const { headers } = await product.sell({ email: 'new@example.com' })
  const someone = await operator(product)
  const path = `/deliveries/${headers['x-lernito-delivery']}/withdraw`
  const pages = [await someone.see(path), await someone.see(path)]
  assert.ok(pages.some((page) => /The LMS can’t be read now: The LMS did not answer in time/.test(readable(page))))
  assert.ok(pages.every(({ status }) => status === 200))
})
