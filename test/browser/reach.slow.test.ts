import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { assertAccessible, openConsole, startBrowsing } from './console.ts'

const MISSING = 'course-v1:Lernito+Missing+2026'
const ABOVE = 'course-v1:Lernito+Above+2026'
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

test('on a phone, the menu is behind a button, and Escape closes it', async () => {
  const { page } = await openConsole(browser, product, { viewport: { width: 390, height: 844 } })
  const menu = page.getByRole('button', { name: 'Menu' })
  await menu.click()
  await assertAccessible(page, 'the menu')
  await page.keyboard.press('Escape')
  assert.equal(await page.getByRole('link', { name: 'People' }).count(), 0)
  await menu.click()
  await page.getByRole('link', { name: 'People' }).click()
  await page.getByRole('heading', { level: 1, name: 'People' }).waitFor()
})

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

test('an update leaves the focus on the button that it was on, when another cause comes above', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, '/')
  const replay = page.locator('.need', { hasText: MISSING }).getByRole('link', { name: 'Replay 1…' })
  const address = await replay.getAttribute('href')
  await replay.focus()
  for (const one of [1, 2]) await idOf(`above-${one}@example.com`, [ABOVE])
  await page.locator('.need', { hasText: ABOVE }).waitFor()
  assert.match((await page.locator('.need').first().textContent()) ?? '', /Above/)
  assert.equal(await page.locator(':focus').getAttribute('href'), address)
})

/** In the browser: collects what a screen reader says by itself, which is what is new in a live region. */
const LISTEN = `{
  window.said = []
  const listener = new MutationObserver((changes) => {
    for (const { target, type, addedNodes } of changes) {
      const at = target instanceof Element ? target : target.parentElement
      const region = at?.closest('[aria-live], [role=status], [role=alert]')
      const elements = [...addedNodes].filter((node) => node instanceof Element)
      const isNew = region?.getAttribute('aria-relevant') === 'additions' ? elements.length > 0 : type === 'characterData' || addedNodes.length > 0
      if (region && isNew) window.said.push(region.textContent.trim().slice(0, 80))
    }
  })
  listener.observe(document.body, { subtree: true, childList: true, characterData: true })
}`

/** In the browser: asks for all updates of the page now. */
const UPDATE = "document.querySelectorAll('[data-every]').forEach((poll) => htmx.trigger(poll, 'every'))"

test('a page on which nothing happens says nothing by itself, also while the LMS is down', async (t) => {
  t.after(() => product.lms.noFaults())
  const { page } = await openConsole(browser, product)
  const saidOn = async (path: string): Promise<unknown> => {
    await open(page, path)
    await page.locator('[data-every][data-htmx-powered]').first().waitFor({ state: 'attached' })
    await page.evaluate(LISTEN)
    for (let times = 0; times < 2; times++) {
      await page.evaluate('new Promise((resolve) => setTimeout(resolve, 1100))') // in which times count on
      await Promise.all([page.waitForResponse(/\/status/), page.evaluate(UPDATE)])
    }
    return page.evaluate('window.said')
  }
  assert.deepEqual(await saidOn('/courses'), [])
  await product.lms.faults([{ status: 503 }])
  const queued = await idOf('quiet@example.com')
  await open(page, '/')
  await page.getByRole('heading', { name: /LMS down for/ }).waitFor()
  for (const path of ['/', '/deliveries', `/deliveries/${queued}`, '/incidents']) {
    assert.deepEqual(await saidOn(path), [], path)
  }
  await open(page, '/')
  await page.evaluate(LISTEN)
  await product.lms.noFaults()
  await page.locator('#problem-down').waitFor({ state: 'detached', timeout: 30_000 })
})

test('the bars of the chart are no stops of the keyboard, because the table below has their links', async () => {
  const { page } = await openConsole(browser, product)
  const bars = page.locator('.chart a:has(.bar)')
  assert.ok((await bars.count()) > 0)
  assert.equal(await page.locator('.chart a:has(.bar):not([tabindex="-1"])').count(), 0)
})

test('what is wrong with a form has the focus, and so has a dialog', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, '/people')
  await page.getByLabel('Email address').fill('reach')
  await page.getByRole('button', { name: 'Show the person' }).click()
  await page.getByRole('alert').waitFor()
  assert.match((await page.locator(':focus').textContent()) ?? '', /^Enter one whole email address/)
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  assert.equal(await page.locator(':focus').getAttribute('id'), 'keys')
  await page.keyboard.press('Escape')
  assert.equal(await page.locator(':focus').getAttribute('role'), 'alert', 'and gives it back')
})

test('the keys that are characters can be turned off, for who speaks to the browser, and on again', async () => {
  const { page } = await openConsole(browser, product)
  const choose = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Keys', exact: true }).click()
    await page.getByLabel('Use /, j, k, x and ? as keys').click()
    await page.keyboard.press('Escape')
  }
  const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.className')
  await choose()
  for (const path of ['/deliveries', '/events']) {
    await open(page, path)
    const before = await focused()
    for (const key of ['/', 'j', '?']) await page.keyboard.press(key)
    assert.equal(await focused(), before)
    assert.equal(await page.getByRole('dialog').count(), 0)
  }
  await choose()
  await open(page, '/deliveries')
  await page.keyboard.press('j')
  assert.equal(await focused(), 'row-link')
  await page.keyboard.press('/')
  await page.keyboard.type('j?')
  assert.deepEqual([await focused(), await page.locator('#q').inputValue()], ['q', 'j?'])
})

test('the chosen result can be told from the others in a reader’s own colors', async () => {
  const { page } = await openConsole(browser, product, { forcedColors: 'active' })
  await page.locator('#q[role=combobox][data-htmx-powered]').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('reach')
  await page.getByRole('option', { selected: true }).waitFor()
  const looks = "[...document.querySelectorAll('.hit')].map((one) => getComputedStyle(one).outlineStyle)"
  assert.deepEqual([...new Set(await page.evaluate<string[]>(looks))], ['solid', 'none'])
})

test('the panel of the period stays within the page, and the hint of the search has the contrast of other quiet text', async () => {
  const { page } = await openConsole(browser, product)
  await page.getByText('From – to…').click()
  for (const width of [320, 640, 700, 1280]) {
    await page.setViewportSize({ width, height: 900 })
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
  }
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    const hint = await page.evaluate("getComputedStyle(document.querySelector('#q'), '::placeholder').color")
    assert.equal(hint, await page.evaluate("getComputedStyle(document.querySelector('.quiet')).color"))
  }
})

test('what a form found is put into the region that a screen reader knows, and the list then follows the new search', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, '/deliveries')
  await page.locator('#filters[data-htmx-powered]').waitFor()
  await page.evaluate("document.querySelector('.pager [role=status]').isKnown = true")
  await page.getByLabel('Search deliveries').fill('found-later@')
  await page.getByText('No delivery matches').waitFor()
  assert.ok(await page.evaluate("document.querySelector('.pager [role=status]').isKnown"))
  await idOf('found-later@example.com')
  await page.getByRole('link', { name: 'found-later@example.com' }).waitFor()

  await open(page, '/signature')
  await page.locator('form[hx-post][data-htmx-powered]').waitFor()
  await page.evaluate("document.querySelector('#result').isKnown = true")
  await page.getByLabel('Body').fill('{}')
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await page.getByRole('heading', { name: 'The signature is refused' }).waitFor()
  assert.ok(await page.evaluate("document.querySelector('#result').isKnown"))
})

test('the words of “Download CSV” stay together, wherever the line before them ends', async () => {
  await idOf('reach-3@example.com', [MISSING, ABOVE]) // so the line before them is long
  const { page } = await openConsole(browser, product)
  await open(page, '/')
  const lines = 'document.querySelector(\'main a[href*=".csv"]\').getClientRects().length'
  for (let width = 1000; width >= 390; width -= 10) {
    await page.setViewportSize({ width, height: 800 })
    assert.equal(await page.evaluate(lines), 1, `${width} px`)
  }
})

test('what a form came to has the focus, and the title of the page names it, also if the page is that of the form', async () => {
  const { page } = await openConsole(browser, product)
  const focused = async (): Promise<string> => (await page.locator(':focus').textContent()) ?? ''
  const titled = (title: string) => until(title, async () => (await page.title()) === title || undefined)
  await open(page, `/deliveries/${id}/correct`)
  await page.getByLabel('Course keys').fill(DEMO)
  await page.getByRole('button', { name: 'Preview' }).click()
  await page.getByRole('heading', { name: 'What happens' }).waitFor()
  assert.match(await focused(), /^What happensA new delivery for reach@example\.com/)

  await open(page, '/deliveries?state=needs_attention')
  await titled('Deliveries · Needs attention · Lernito enrollments')
  await page
    .getByRole('checkbox', { name: /^Select/ })
    .first()
    .check()
  await page.getByRole('button', { name: 'Replay…' }).click()
  await page.getByRole('button', { name: 'Replay 1' }).click()
  await titled('Bulk replay · All failed again · Deliveries · Lernito enrollments')

  await open(page, `/handled?id=${await idOf('handle-me@example.com', [MISSING])}`)
  await page.getByLabel('Paid back').check()
  await page.getByLabel('What was done').fill('refunded')
  await page.getByRole('button', { name: 'Mark as handled' }).click()
  await page.getByText('Marked as handled: 1').waitFor()
  assert.match(await focused(), /^Marked as handled: 1/)

  await open(page, `/people/${await idOf('erase-me@example.com')}`)
  await page.getByRole('button', { name: 'Erase this person…' }).click()
  await page.getByLabel(/^To confirm, type/).fill('erase-me@example.com')
  await page.getByRole('button', { name: 'Erase' }).click()
  await titled('Erase a person · Erased · People · Lernito enrollments')
  assert.match(await focused(), /^ErasedDeliveries erased: 1/)
})

test('a screen reader says no sign that only decorates', async () => {
  const { page } = await openConsole(browser, product)
  const session = await page.context().newCDPSession(page)
  const slashes: number[] = []
  for (const path of ['/', '/deliveries', `/deliveries/${id}/correct`]) {
    await open(page, path)
    const { nodes } = await session.send('Accessibility.getFullAXTree')
    const said = nodes.filter(({ ignored }) => !ignored).map(({ name }) => String(name?.value ?? '').trim())
    assert.ok(said.includes('Deliveries'), path)
    assert.deepEqual(
      said.filter((text) => /[▸▾→]/.test(text)),
      [],
      path,
    )
    slashes.push(said.filter((text) => text === '/').length)
  }
  assert.deepEqual([...new Set(slashes)].length, 1, 'only the key of the search is one, and none is between the crumbs')
})

test('in a window as low as at 400 %, what has the focus is not behind the buttons for a selection', async () => {
  for (const one of [1, 2, 3]) await idOf(`low-${one}@example.com`, [MISSING])
  const { page } = await openConsole(browser, product, { viewport: { width: 320, height: 256 } })
  await open(page, '/deliveries')
  await page.keyboard.press('j')
  await page.keyboard.press('x')
  for (let row = 2; row <= 4; row++) {
    await page.keyboard.press('j')
    const seen = `(() => {
      const { left, top, bottom } = document.activeElement.getBoundingClientRect()
      return document.elementFromPoint(left + 4, (top + bottom) / 2)?.closest('tr') === document.activeElement.closest('tr')
    })()`
    assert.ok(await page.evaluate(seen), `row ${row}`)
  }
})
