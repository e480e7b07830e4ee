import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../harness.ts'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'

const { product, browser, open, idOf } = await startBrowsing({ catalogueMs: 1_000 })

test('the first day: what the shop needs is copied, its first webhook shows by itself, and a test sale is picked', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await open(page, '/setup')
  const shop = page.locator('#connect-shop')
  await page.waitForResponse((response) => response.url().endsWith('/setup')) // the next update would undo “Copied”
  await shop.getByRole('button', { name: 'Copy' }).first().click()
  await shop.getByRole('button', { name: 'Copied' }).waitFor()
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), product.webhook)
  await shop.getByText('Or send one by hand').click()
  await page.getByLabel('Email').fill('typed@example.com')
  await shop.getByText('Waiting for the first signed webhook…').waitFor()
  for (const { name, ...look } of LOOKS) {
    await page.setViewportSize(look.viewport)
    await page.emulateMedia({ colorScheme: look.colorScheme })
    await assertAccessible(page, `the setup, ${name}`)
  }

  await page.reload()
  await page.getByLabel('Email').fill('typed@example.com')
  await shop.getByText('Or send one by hand').focus()
  await idOf('first@example.com')
  await shop.getByRole('status').filter({ hasText: 'Last signature:' }).waitFor()
  assert.match((await shop.getAttribute('class')) ?? '', /\bdone\b/)
  await page.getByText(/^[34] of 6 done\./).waitFor()
  assert.equal(await page.getByLabel('Email').inputValue(), 'typed@example.com', 'what is typed elsewhere stays')

  await page.getByLabel('Course', { exact: true }).selectOption({ label: `Demonstration Course – ${DEMO}` })
  await page.getByRole('button', { name: 'Make the test sale' }).click()
  await page.getByText('This is the test sale.').waitFor()
  await page.getByRole('heading', { name: 'Waiting for buyer' }).waitFor()
  await open(page, '/setup')
  await page.locator('#test-sale.done').getByText('Last test sale:').waitFor()
  assert.deepEqual(wrong, [])
})
