import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openConsole, startBrowsing } from './console.ts'

const MISSING = 'course-v1:Lernito+Missing+2026'
const { product, browser, open, idOf } = await startBrowsing()
const id = await idOf('reach@example.com', [MISSING])
await idOf('reach-2@example.com')

/** In the browser: the links and buttons that are lower than 24 px. A checkbox has the size that the browser gives it. */
const LOW = `[...document.querySelectorAll('a[href], button, summary, select, textarea, input:not([type=hidden], [type=checkbox])')]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.classList.contains('skip'))
  .filter((one) => one.getBoundingClientRect().height < 24)
  .map((one) => one.outerHTML.slice(0, 200))`

for (const width of [1280, 390]) {
  test(`what can be pressed is 24 px high at least, at ${width} px`, async () => {
    const { page } = await openConsole(browser, product, { viewport: { width, height: 900 } })
    for (const path of ['/', '/deliveries', `/deliveries/${id}`, `/people/${id}`, '/incidents', '/setup', '/refused']) {
      await open(page, path)
      assert.deepEqual(await page.evaluate(LOW), [], path)
    }
  })
}

test('from a search to its first row, the keyboard needs 8 presses of Tab at most', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, '/deliveries?q=reach')
  await page.getByLabel('Search deliveries').focus()
  await page.keyboard.press('Tab')
  assert.equal(await page.locator(':focus').textContent(), 'Skip to the results')
  await page.keyboard.press('Enter')
  let presses = 1
  while ((await page.locator('.deliveries a:focus').count()) === 0 && presses < 20) {
    await page.keyboard.press('Tab')
    presses++
  }
  assert.ok(presses <= 8, `${presses}`)
})

test('a search whose session has ended says so at once', async () => {
  const { page } = await openConsole(browser, product)
  await page.locator('#q[role=combobox][data-htmx-powered]').waitFor()
  await page.context().clearCookies({ name: 'lernito_console' })
  await page.keyboard.press('/')
  await page.keyboard.type('reach')
  await page.getByText('You are signed out, so updates have stopped').waitFor({ timeout: 10_000 })
})
