import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'

const { product, browser, open, idOf } = await startBrowsing()
const nora = await idOf('nora.palette@example.com')
await idOf('omar.palette@example.com')

/** Presses "/" until the script of the page listens to it, and types. */
async function type(page: Page, text: string): Promise<void> {
  await page.locator('#q[role=combobox][data-htmx-powered]').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type(text)
}
const options = (page: Page) => page.getByRole('listbox', { name: 'Results' }).getByRole('option')
const chosen = (page: Page) => page.getByRole('option', { selected: true })

test('on every page, what is typed is searched for, and the keyboard alone chooses, opens and closes', async () => {
  const { page, wrong } = await openConsole(browser, product)
  for (const path of ['/', '/people', '/setup', '/events', `/deliveries/${nora}`]) {
    await open(page, path)
    await type(page, 'palette')
    await page.locator('[data-for="palette"]').waitFor()
    assert.equal(await options(page).count(), 5, path)
  }
  const field = page.getByRole('combobox', { name: 'Search people, deliveries and courses' })
  assert.equal(await page.getByRole('status').filter({ hasText: 'People: 2, Deliveries: 2' }).count(), 1, 'is said')
  const first = (await chosen(page).textContent()) ?? ''
  await page.keyboard.press('ArrowDown')
  assert.notEqual(await chosen(page).textContent(), first)
  assert.equal(await chosen(page).getAttribute('id'), await field.getAttribute('aria-activedescendant'))
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('ArrowUp')
  assert.match(
    (await chosen(page).textContent()) ?? '',
    /Search the deliveries for palette/,
    'from the first to the last',
  )
  await page.keyboard.press('Escape')
  assert.equal(await options(page).count(), 0, 'Escape closes the list')
  assert.equal(await field.inputValue(), 'palette', 'and keeps the text')
  assert.equal(await page.locator('#q:focus').count(), 1)
  await page.keyboard.press('Escape')
  assert.equal(await page.locator('#q:focus').count(), 0, 'the next one leaves the field')
  await page.keyboard.press('/')
  await page.keyboard.type('nora.pal')
  await page.locator('[data-for="nora.pal"]').waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/people\/[0-9A-Z]{26}$/)
  assert.deepEqual(wrong, [])
})

test('Enter before the results are there, or without JavaScript, leads to the list with the same search', async () => {
  for (const javaScriptEnabled of [true, false]) {
    const { page } = await openConsole(browser, product, { javaScriptEnabled })
    if (javaScriptEnabled) await page.locator('#q[role=combobox]').waitFor()
    await page.route('**/search', (route) => route.fulfill({ status: 204 })) // the results never come
    await page.getByLabel('Search people, deliveries and courses').fill('nora.pal')
    await page.keyboard.press('Enter')
    await page.waitForURL(/deliveries\?q=nora\.pal$/)
    await page.getByRole('row').getByRole('link', { name: 'nora.palette@example.com' }).waitFor()
    await page.context().close()
  }
})

test('a click elsewhere, and Tab, close the results', async () => {
  const { page } = await openConsole(browser, product)
  await type(page, 'palette')
  await options(page).first().waitFor()
  await page.mouse.click(1200, 800)
  assert.equal(await options(page).count(), 0)
  await page.keyboard.press('/')
  await options(page).first().waitFor()
  await page.keyboard.press('Tab')
  assert.equal(await options(page).count(), 0)
})

test('an address without a sale leads to its account and to a similar buyer; everyone can use the results', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await type(page, 'palette@nora.example')
  await page.getByText('No sale to this address is stored.').first().waitFor()
  for (const { name, ...look } of LOOKS) {
    await page.setViewportSize(look.viewport)
    await page.emulateMedia({ colorScheme: look.colorScheme })
    assert.ok(await options(page).first().isVisible())
    await assertAccessible(page, `the results, ${name}`)
  }
  await page
    .getByRole('group', { name: /^Similar/ })
    .getByRole('option', { name: /nora\.palette/ })
    .click()
  await page.waitForURL(new RegExp(nora))
  assert.deepEqual(wrong, [])
})
