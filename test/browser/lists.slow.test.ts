import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'

const MISSING = 'course-v1:Lernito+Missing+2026'
const { product, browser, open } = await startBrowsing()
const sell = (email: string, courseIds = [DEMO]) => product.sell({ email, courseIds, name: 'Nora' })
const row = (page: Page, email: string) => page.getByRole('row').filter({ hasText: email })

await sell('alice@example.com')
await sell('newcomer@example.net')
await sell('typo-1@example.org', [MISSING, DEMO])
await sell('typo-2@example.org', [MISSING])
await sell('typo-3@example.org', [MISSING])
await sell('tom at example.com')
for (let index = 0; index < 55; index++) await sell(`buyer-${index}@example.com`)

test('each state is a tab with its count, and a row says in one line what came of the sale', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await open(page, '/deliveries')
  const tabs = await page.getByRole('navigation', { name: 'States' }).getByRole('link').allTextContents()
  assert.deepEqual(tabs, [
    'All 61',
    'Needs attention 3',
    'Queued 0',
    'Waiting for buyers 56',
    'Enrolled 1',
    'Rejected 1',
    'Handled 0',
    'Withdrawn 0',
    'Access ended',
  ])
  await page.getByText('1–50 of 61').waitFor()
  await page.getByRole('link', { name: 'Older' }).click()
  await page.getByText('51–61 of 61').waitFor()
  assert.match((await row(page, 'alice@example.com').textContent()) ?? '', /Enrolled\s+Nora.*edX\+DemoX.*within \d+ s/s)
  const lost = row(page, 'typo-1@example.org')
  await lost.locator('time', { hasText: 'ago' }).waitFor() // a script writes it
  assert.match(
    (await lost.textContent()) ?? '',
    /Needs attention.*Lernito\+Missing\+2026 failed.*not enrolled.*No such course.*ago/s,
  )
  assert.equal(await lost.locator('li').first().getAttribute('title'), MISSING)
  assert.match((await row(page, 'tom at').textContent()) ?? '', /Rejected.*email: Enter a valid email address/s)
  assert.equal(await page.getByText('updates by itself').count(), 0, 'on a further page')
  const newest = page.getByRole('link', { name: 'Newest' })
  await newest.click()
  await page.getByText('updates by itself').waitFor()
  await page
    .getByRole('link', { name: /^Needs attention 3$/ })
    .first()
    .click()
  await page.getByText('1–3 of 3').waitFor()
  assert.deepEqual(wrong, [])
})

test('at 1280 px, all tabs are seen, whichever is open, with the counts of a usual month', async () => {
  const { page } = await openConsole(browser, product, { viewport: { width: 1280, height: 900 } })
  for (const state of ['', 'needs_attention', 'pre_enrolled']) {
    await open(page, `/deliveries?state=${state}`)
    const tabs = page.getByRole('navigation', { name: 'States' })
    const [seen, all] = await tabs.evaluate((nav) => {
      const month = [400, 30, 0, 60, 300, 10, 10, 0]
      for (const link of nav.querySelectorAll('a'))
        link.innerHTML = link.innerHTML.replace(/\d+/, () => `${month.shift()}`)
      return [nav.clientWidth, nav.scrollWidth]
    })
    assert.equal(all, seen, state)
  }
})

test('what the buyer has in a course begins at the left edge if it goes on in the next line', async () => {
  const { page } = await openConsole(browser, product, { viewport: { width: 390, height: 844 } })
  await open(page, '/deliveries?q=typo-1')
  const indents: number[] = []
  for (let width = 320; width <= 390; width += 10) {
    await page.setViewportSize({ width, height: 844 })
    const found = await row(page, 'typo-1@example.org')
      .locator('li')
      .evaluateAll((lines) =>
        lines.flatMap((line) => {
          const [name, word] = [...line.children].map((one) => one.getBoundingClientRect())
          if (name === undefined || word === undefined || word.top < name.bottom) return []
          return [word.left - line.getBoundingClientRect().left]
        }),
      )
    indents.push(...found)
  }
  assert.ok(indents.length > 0)
  assert.deepEqual([...new Set(indents)], [0])
})

test('on a phone, the key of a cause has a line of its own rather than a break after “course-”', async () => {
  const { page } = await openConsole(browser, product, { viewport: { width: 390, height: 844 } })
  const keys = page.locator('.need code').filter({ hasText: MISSING })
  const heights = await keys.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height))
  assert.ok(heights.length > 0 && heights.every((height) => height < 25), `${heights}`)
})

test('the times of a cause begin at the left edge if they go on in the next line', async () => {
  const { page } = await openConsole(browser, product)
  const begins: number[] = []
  for (let width = 730; width <= 1000; width += 30) {
    await page.setViewportSize({ width, height: 900 })
    const found = await page
      .locator('.need small')
      .evaluateAll((all) =>
        all.map((one) => (one.getClientRects()[0]?.left ?? 0) - (one.parentElement?.getBoundingClientRect().left ?? 0)),
      )
    begins.push(...found.filter((left) => left < 20)) // those further right stand behind a title
  }
  assert.ok(begins.length > 0)
  assert.deepEqual([...new Set(begins)], [0])
})

test('rows are low at 1280 px; at 390 px they are short cards, which cut no outcome', async () => {
  for (const { colorScheme, viewport } of LOOKS) {
    const { page } = await openConsole(browser, product, { colorScheme, viewport })
    await open(page, '/deliveries')
    const heights = await page
      .locator('tbody tr:not(.day)')
      .evaluateAll((rows) => rows.map((one) => one.getBoundingClientRect().height))
    const most = viewport.width === 390 ? 100 : 49.5
    assert.ok(heights.length === 50 && heights.every((height) => height <= most), `${Math.max(...heights)}`)
    const cut = await page
      .locator('td:has(> .outcome)')
      .evaluateAll((cells) => cells.map((one) => one.scrollWidth - one.clientWidth))
    assert.deepEqual([...new Set(cut)], [0])
  }
})

test('from a tablet to a desktop, a row has all of the buyer’s name and of what came of the sale', async () => {
  const { page } = await openConsole(browser, product)
  for (const width of [768, 900, 1024, 1200, 1201]) {
    await page.setViewportSize({ width, height: 900 })
    await open(page, '/deliveries')
    const cut = await page
      .locator('td > .outcome, .row-link span')
      .evaluateAll((all) =>
        all
          .filter((one) => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight + 1)
          .map(({ textContent }) => textContent),
      )
    assert.deepEqual(cut, [], `${width} px`)
  }
})

for (const javaScriptEnabled of [true, false]) {
  const without = javaScriptEnabled ? '' : ', without JavaScript'

  test(`filters are in the address, and each is a chip that removes it${without}`, async () => {
    const { page, wrong } = await openConsole(browser, product, { javaScriptEnabled })
    await open(page, '/deliveries?state=needs_attention')
    if (javaScriptEnabled) {
      await page.locator('#filters[data-htmx-powered]').waitFor() // what is typed before is not searched for yet
      await page.keyboard.press('/')
    } else await page.getByLabel('Search deliveries').focus()
    await page.keyboard.type('typo-')
    if (!javaScriptEnabled) await page.keyboard.press('Enter')
    await page.waitForURL(/q=typo-/)
    await page.getByText('1–3 of 3').waitFor()
    await page.getByText('Received', { exact: true }).click()
    await page.getByLabel('Received until').fill('2020-01-01')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('No delivery matches').waitFor()
    await page.waitForURL(/q=typo-.*to=2020-01-01/)
    const chips = page.getByRole('list', { name: 'Filters' }).getByRole('link')
    assert.equal(await chips.count(), 3)
    await chips.filter({ hasText: 'Received until 1 Jan 2020, 23:59' }).click()
    await page.getByText('1–3 of 3').waitFor()
    await chips.filter({ hasText: 'Search typo-' }).click()
    await page.getByText('1–3 of 3').waitFor()
    assert.match(page.url(), /\?state=needs_attention$/)
    await chips.filter({ hasText: 'State Needs attention' }).click()
    await page.getByText('1–50 of 61').waitFor()
    assert.equal(await chips.count(), 0)
    assert.deepEqual(wrong, [])
  })
}

test('what is typed and what is chosen after it narrow the list together', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await open(page, '/deliveries')
  const filters = page.locator('#filters')
  const type = async (text: string): Promise<void> => {
    await page.locator('#filters[data-htmx-powered]').waitFor() // what is typed before is not searched for yet
    await page.getByLabel('Search deliveries').fill(text)
    await page.getByRole('list', { name: 'Filters' }).getByText(`Search ${text}`).waitFor()
  }
  await type('typo-')
  await filters.getByText('Received', { exact: true }).click()
  await page.getByRole('link', { name: 'Today' }).click()
  await page.waitForURL(/q=typo-.*from=/)
  await filters.getByText('Cause', { exact: true }).click()
  await type('typo-1')
  await page.getByRole('link', { name: /^No such course/ }).click()
  await page.waitForURL(/q=typo-1.*from=.*cause=/)
  assert.deepEqual(wrong, [])
})

test('the first page updates itself, but not while something in it is focused or selected', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await open(page, '/deliveries?q=live-')
  await page.getByText('No delivery matches').waitFor()
  await sell('live-1@example.com')
  await row(page, 'live-1@example.com').waitFor()
  const asked = () =>
    page.waitForRequest(/deliveries\?q=live-/, { timeout: 7_000 }).then(
      () => true,
      () => false,
    )
  await page.getByRole('link', { name: 'live-1@example.com' }).focus()
  await sell('live-2@example.com')
  assert.equal(await asked(), false, 'while a link is focused')
  await page.evaluate(
    'document.activeElement.blur(); getSelection().selectAllChildren(document.querySelector("tbody"))',
  )
  assert.equal(await asked(), false, 'while a row is selected')
  await page.evaluate('getSelection().removeAllRanges()')
  await row(page, 'live-2@example.com').waitFor()
  assert.match((await row(page, 'live-2@example.com').textContent()) ?? '', /ago|now/, 'in the reader’s words')
  assert.deepEqual(wrong, [])
})

test('a row is reached and opened with the keyboard', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, '/deliveries?q=typo-2')
  await page.getByRole('link', { name: 'Download CSV' }).focus()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/deliveries\/\w{26}/)
})

test('a queued sale says that the LMS is unreachable, and what the service does then', async () => {
  const { page } = await openConsole(browser, product)
  await product.lms.faults([{ status: 503 }])
  await sell('waits@example.com')
  await open(page, '/deliveries?q=waits@')
  const outcome = row(page, 'waits@example.com').locator('.outcome', { hasText: 'LMS down; continues by itself' })
  const cut = await outcome.evaluate((one) => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight])
  assert.deepEqual(cut, [0, 0], 'its end can be read')
  const { height = 0 } = (await row(page, 'waits@example.com').boundingBox()) ?? {}
  assert.ok(height <= 49.5, `the row is as low as others: ${height}`)
  await product.lms.noFaults()
  await row(page, 'waits@example.com').getByText('Waits for the buyer’s account').waitFor()
})

test('a bulk replay announces what it can replay, and says what came of each, with a link to those', async () => {
  const { page, wrong } = await openConsole(browser, product)
  for (const email of ['mix-1@example.com', 'mix-2@example.com', 'mix-3 at example.com']) await sell(email)
  await sell('mix-4@example.org', [MISSING])
  await open(page, '/deliveries?q=mix-')
  await page.getByRole('link', { name: 'Replay these…' }).click()
  await page.locator('form[hx-get$="/replay"][data-htmx-powered]').waitFor() // a choice before that is not noticed
  await page.getByText('1 of 2 can be replayed; 1 was rejected for its payload.').waitFor()
  await page.getByLabel('Include deliveries that are enrolled or wait for buyers').check()
  await page.getByText('3 of 4 can be replayed; 1 was rejected for its payload.').waitFor()
  await page.getByRole('button', { name: 'Replay 3' }).click()
  await page.getByRole('heading', { name: 'Done, with failures' }).waitFor()
  await page.getByText('2 waiting for buyers, 1 failed again.').waitFor()
  assert.equal(await page.locator('.note.good').count(), 0)
  assert.equal(await page.getByText('continues if you close this page').count(), 0)
  assert.equal(await row(page, 'mix-').count(), 3, 'few deliveries are listed')
  for (const { name, ...look } of LOOKS) {
    await page.setViewportSize(look.viewport)
    await page.emulateMedia({ colorScheme: look.colorScheme })
    await assertAccessible(page, `what came of a bulk replay, ${name}`)
  }
  await page.getByRole('link', { name: '1 failed' }).click()
  await page.getByText('1–1 of 1').waitFor()
  await row(page, 'mix-4@example.org').waitFor()
  await page.getByRole('link', { name: 'Replay these…' }).click()
  await page.getByRole('button', { name: 'Replay 1' }).click()
  await page.getByRole('heading', { name: 'All failed again' }).waitFor()
  await until('the red box', async () => (await page.locator('.note.bad').count()) === 1 || undefined)
  assert.deepEqual(wrong, [])
})

test('a delivery leads to its neighbors in the list that it was opened from, and back to this list', async () => {
  for (const name of ['first', 'second', 'third']) {
    await product.sell({ name, email: `${name}@neighbors.example`, courseIds: ['course-v1:No+Neighbor+Course'] })
  }
  const { page } = await openConsole(browser, product)
  await page.goto(`${product.console}/deliveries?state=needs_attention&q=neighbors.example`)
  await page.getByRole('row').getByRole('link', { name: 'second@neighbors.example' }).click()
  await page.getByRole('link', { name: 'Older delivery' }).click()
  await page.getByRole('heading', { level: 1, name: 'first' }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'Older delivery' }).count(), 0)
  await page.getByRole('link', { name: 'Newer delivery' }).click()
  await page.getByRole('link', { name: 'Newer delivery' }).click()
  await page.getByRole('heading', { level: 1, name: 'third' }).waitFor()
  await page.getByRole('navigation', { name: 'You are here' }).getByRole('link', { name: 'Deliveries' }).click()
  assert.match(page.url(), /\?q=neighbors.example&state=needs_attention$/)
})

for (const javaScriptEnabled of [true, false]) {
  test(`rows are selected with the mouse, and replayed or handled together${javaScriptEnabled ? '' : ', without JavaScript'}`, async () => {
    const { page } = await openConsole(browser, product, { javaScriptEnabled })
    const group = `group-${javaScriptEnabled ? 'a' : 'b'}`
    for (const one of [1, 2, 3]) await sell(`${group}${one}@example.com`, [MISSING])
    await open(page, `/deliveries?q=${group}`)
    const replay = page.getByRole('button', { name: 'Replay…' })
    assert.equal(await replay.isVisible(), false)
    for (const one of [1, 3]) await row(page, `${group}${one}@example.com`).getByRole('checkbox').check()
    await replay.click()
    await page.getByText('Deliveries to replay: 2.').waitFor()
    await page.goBack()
    await open(page, `/deliveries?q=${group}`)
    for (const one of [1, 2]) await row(page, `${group}${one}@example.com`).getByRole('checkbox').check()
    await page.getByRole('button', { name: 'Mark as handled…' }).click()
    await page.getByLabel('Paid back').check()
    await page.getByLabel('What was done').fill('refunded')
    await page.getByRole('button', { name: 'Mark as handled' }).click()
    await page.getByText('Marked as handled: 2.').waitFor()
    await open(page, `/deliveries?q=${group}`)
    await row(page, `${group}3@example.com`).getByText('No such course').click({ force: true }) // the link covers it
    await page.waitForURL(/\/deliveries\/\w{26}/)
  })
}

test('the course of a selection can be corrected only if a key in it is wrong', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await sell('key-wrong@example.com', [MISSING])
  await sell('key-right@example.com')
  await open(page, '/deliveries?q=key-')
  const correct = page.getByRole('button', { name: 'Correct the course…' })
  await row(page, 'key-right@example.com').getByRole('checkbox').check()
  await page.getByRole('button', { name: 'Replay…' }).waitFor()
  assert.equal(await correct.count(), 0)
  await row(page, 'key-wrong@example.com').getByRole('checkbox').check()
  await correct.click()
  await page.getByText('Correct the course key').first().waitFor()
  assert.deepEqual(wrong, [])
})

test('j, k, x, Escape and Enter go through a list, “?” lists the keys, and an update waits for a selection', async () => {
  const { page, wrong } = await openConsole(browser, product)
  const ids: string[] = []
  for (const one of [1, 2]) {
    ids.unshift(String((await sell(`keys-${one}@example.com`, [MISSING])).headers['x-lernito-delivery']))
  }
  await open(page, '/deliveries?q=keys-')
  await row(page, 'keys-1@example.com').waitFor()
  const selected = page.locator('#selection :checked')
  for (const key of ['j', 'j', 'k', 'j', 'x']) await page.keyboard.press(key)
  assert.deepEqual(await selected.evaluateAll((boxes) => boxes.map((box) => box.getAttribute('value'))), [ids[1]])
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' })
  assert.equal(await selected.count(), 1, 'the dialog alone was closed')
  await page.getByText('Updates to this page wait until').waitFor()
  await page.getByText('Received', { exact: true }).click()
  await page.keyboard.press('Escape')
  assert.equal(await page.getByLabel('Received until').isHidden(), true)
  assert.equal(await selected.count(), 1, 'the panel alone was closed')
  await selected.focus()
  await page.keyboard.press('/')
  assert.equal(await page.locator(':focus').getAttribute('id'), 'q', 'from a check box, too')
  await page.keyboard.press('Escape')
  assert.equal(await page.getByLabel('Search deliveries').inputValue(), 'keys-', 'the search stays')
  assert.equal(await page.locator('#q:focus').count(), 0)
  for (const key of ['j', 'j']) await page.keyboard.press(key)
  await page.keyboard.press('Escape')
  assert.equal(await selected.count(), 0)
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(ids[1] ?? ''))
  assert.deepEqual(wrong, [])
})

test('a row shows the name beside the longest address, the end of the longest key, and an Arabic name from its beginning', async () => {
  const key = `course-v1:Lernito+${'Missing'.repeat(12)}+2026`
  const name = `زهرا${' احمدی'.repeat(9)}`
  await product.sell({ email: `${'long.'.repeat(12)}x@example.com`, courseIds: [key], name })
  for (const { colorScheme, viewport } of LOOKS) {
    const { page } = await openConsole(browser, product, { colorScheme, viewport })
    await open(page, '/deliveries?q=long.long.')
    const found = row(page, 'long.long.')
    const shown = found.locator('.row-link span bdi')
    const { width } = (await shown.boundingBox()) ?? { width: 0 }
    assert.ok(width > 100, `the name is ${width} px wide at ${viewport.width} px`)
    assert.ok(
      await shown.evaluate((one) => one.matches(':dir(rtl)') && one.clientWidth < one.scrollWidth),
      'cut at its end',
    )
    const code = found.locator('code')
    const [cell, text] = await code.evaluate((one) => [
      one.parentElement?.getBoundingClientRect().right ?? 0,
      one.getBoundingClientRect().right,
    ])
    assert.ok(Number(text) <= Number(cell), `the key is cut at ${viewport.width} px`)
  }
})
