import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { operator, PASSWORD, STAFF } from '../console/harness.ts'
import { DEMO } from '../harness.ts'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'

const MISSING = 'course-v1:Lernito+Missing+2026'
const { product, browser, open, idOf } = await startBrowsing()
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const focused = (page: Page) => page.evaluate('document.activeElement.outerHTML.slice(0, 60)')

/** Waits until the page has been updated so many times from this address. */
async function updates(page: Page, path: string, count = 2): Promise<void> {
  for (let index = 0; index < count; index++) {
    await page.waitForResponse((response) => response.url().includes(path))
  }
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 200))') // until it is in the page
}

/** Opens a delivery that waits for the LMS, so that its page follows it. */
async function openWaiting(page: Page, email: string): Promise<string> {
  await product.lms.faults([{ status: 503 }])
  const id = await idOf(email)
  await open(page, `/deliveries/${id}`)
  await page.getByText('so this delivery waits').waitFor()
  return id
}

/** Ends the session as the service sees it, without the page knowing. */
const endSession = (page: Page) => page.context().clearCookies({ name: 'lernito_console' })

/** Fills in the sign-in of the LMS, or goes on if the LMS still knows the person. */
async function signInAgain(page: Page): Promise<void> {
  const login = page.getByLabel('E-mail address or username')
  await login
    .or(page.getByRole('heading', { level: 1 }).nth(0))
    .first()
    .waitFor()
  if ((await login.count()) === 0) return
  await login.fill(STAFF)
  await page.getByLabel('Password').fill(PASSWORD)
  await press(page, 'Sign in')
}

test('an update keeps a panel open, and the focus where it was', async (t) => {
  t.after(() => product.lms.noFaults())
  const { page, wrong } = await openConsole(browser, product)
  const id = await openWaiting(page, 'panel@example.com')
  const received = page.locator('li.received')
  await received.locator('summary').click()
  await updates(page, `/deliveries/${id}`, 3)
  assert.ok(await received.locator('pre').isVisible(), 'the payload')
  assert.match(String(await focused(page)), /^<summary/)
  // A press on a button that is not there any more must not reach another one.
  await page.getByText('More', { exact: true }).click()
  await product.lms.noFaults()
  await page.getByRole('heading', { name: 'Waiting for buyer' }).waitFor()
  assert.ok(await received.locator('pre').isVisible(), 'the payload after the delivery has settled')
  assert.match(String(await focused(page)), /^<summary/)
  assert.deepEqual(wrong, [])
})

test('an update waits while a note is being written, says so, and loses no keystroke', async (t) => {
  t.after(() => product.lms.noFaults())
  const { page, wrong } = await openConsole(browser, product)
  await openWaiting(page, 'note@example.com')
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  const note = page.getByLabel('What was done')
  await note.pressSequentially('refunded, / order 1182: the buyer wrote that ', { delay: 100 })
  await note.press('ArrowLeft')
  await page.getByText('Updates to this page wait').waitFor()
  await page.keyboard.type('!')
  assert.equal(await note.inputValue(), 'refunded, / order 1182: the buyer wrote that! ')
  // A text that is in a closed panel was not sent either.
  await page.getByText('Mark as handled…').click()
  await product.lms.noFaults()
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 5000))')
  await page.getByText('Updates to this page wait').waitFor()
  await page.getByText('Mark as handled…').click()
  assert.equal(await note.inputValue(), 'refunded, / order 1182: the buyer wrote that! ')
  await note.fill('')
  await page.getByText('Mark as handled…').click()
  await page.getByRole('heading', { name: 'Waiting for buyer' }).waitFor()
  assert.ok(await page.getByText('Updates to this page wait').isHidden())
  assert.deepEqual(wrong, [])
})

test('in a browser without the newest functions, an update waits for a note too, and no script fails', async (t) => {
  t.after(() => product.lms.noFaults())
  const { page, wrong } = await openConsole(browser, product)
  await page.addInitScript('delete Element.prototype.checkVisibility')
  const id = await openWaiting(page, 'older@example.com')
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('What was done').fill('refunded')
  await page.locator('[data-updates="waiting"]').waitFor({ state: 'visible' })
  assert.equal(await page.getByLabel('What was done').inputValue(), 'refunded', id)
  assert.deepEqual(wrong, [])
})

test('the numbers of the overview stay open, and a selected text stays selected', async () => {
  const { page } = await openConsole(browser, product)
  await page.getByText('Show the numbers as a table').click()
  await updates(page, '/lernito/console/', 2)
  assert.ok(await page.locator('#overview details table').isVisible())
})

test('a notice says what came of a replay, and stays until it is dismissed', async () => {
  const { page, wrong } = await openConsole(browser, product)
  const id = await idOf('again@example.com', [MISSING])
  await open(page, `/deliveries/${id}`)
  await press(page, 'Replay')
  const notice = page.getByText(/Replayed at \d\d:\d\d: failed again, for the same reason\./)
  await notice.waitFor()
  await page.waitForURL(`${product.console}/deliveries/${id}`) // a reload repeats no notice
  await page.locator('#notice:focus').waitFor()
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 7000))')
  assert.ok(await notice.isVisible(), 'after the updates have ended')
  for (const { name, ...look } of LOOKS) {
    await page.setViewportSize(look.viewport)
    await page.emulateMedia({ colorScheme: look.colorScheme })
    await assertAccessible(page, `the notice, ${name}`)
  }
  await page.getByRole('link', { name: 'Dismiss' }).click()
  assert.equal(await notice.count(), 0)
  await page.goto(`${product.console}/deliveries/${await idOf('well@example.com')}`)
  await page.getByText('More', { exact: true }).click()
  await press(page, 'Replay')
  await page.getByText(/Replayed at \d\d:\d\d: waiting for the buyer\./).waitFor()
  await page.getByRole('link', { name: 'Dismiss' }).click()
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 4000))')
  assert.equal(await page.locator('#notice').count(), 0, 'an update does not bring it back')
  assert.deepEqual(wrong, [])
})

test('without JavaScript, a notice is dismissed by a link', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  const id = await idOf('again-2@example.com', [MISSING])
  await open(page, `/deliveries/${id}`)
  await press(page, 'Replay')
  await page.locator('#notice').waitFor()
  await page.getByRole('link', { name: 'Dismiss' }).click()
  assert.equal(await page.locator('#notice').count(), 0)
})

test('a note and a correction that the session outlived are there again after signing in', async () => {
  const { page, wrong } = await openConsole(browser, product)
  const id = await idOf('late@example.com', [MISSING])
  await open(page, `/deliveries/${id}`)
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('Paid back').check()
  await page.getByLabel('What was done').fill('refunded, order 1182')
  await endSession(page)
  await press(page, 'Mark as handled')
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
  await assertAccessible(page, 'the refusal with the text')
  await page.getByRole('link', { name: 'Sign in again' }).click()
  await signInAgain(page)
  await page.waitForURL(new RegExp(`/deliveries/${id}$`))
  const note = page.getByLabel('What was done')
  await note.waitFor()
  assert.equal(await note.inputValue(), 'refunded, order 1182')
  await page.getByText('Your text is here again. It was not sent.').waitFor()
  await assertAccessible(page, 'the restored text')

  await open(page, `/deliveries/${id}/correct`)
  assert.ok(await page.getByText('Your text is here again').isHidden(), 'only once')
  await page.getByLabel('Email').fill('right@example.com')
  await endSession(page)
  await press(page, 'Preview')
  await page.getByRole('link', { name: 'Sign in again' }).click()
  await signInAgain(page)
  await page.waitForURL(/\/correct$/)
  await page.getByText('Your text is here again. It was not sent.').waitFor()
  assert.equal(await page.getByLabel('Email').inputValue(), 'right@example.com')
  await press(page, 'Preview')
  await page.getByText('A new delivery for right@example.com in:').waitFor()
  assert.deepEqual(
    wrong.filter((text) => !text.includes('401')),
    [],
  )
})

test('the courses that were not to be withdrawn are not selected after signing in', async () => {
  const { page } = await openConsole(browser, product)
  const python = 'course-v1:Lernito+PY101+2026'
  const id = await idOf('heidi@example.com', [DEMO, python])
  for (const leave of [
    () => press(page, 'Withdraw'), // the refused form leads to the sign-in
    () => page.getByText('You are signed out, so updates have stopped').waitFor(),
  ]) {
    await open(page, `/deliveries/${id}/withdraw`)
    await page.locator(`[name=course][value="${python}"]`).uncheck()
    await endSession(page)
    await leave()
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await signInAgain(page)
    await page.waitForURL(/\/withdraw$/)
    await page.getByText('Your text is here again. It was not sent.').waitFor()
    const selected = page.locator('[name=course]:checked')
    assert.deepEqual(await selected.evaluateAll((boxes) => boxes.map((box) => box.getAttribute('value'))), [DEMO])
  }
})

test('a page whose session has ended says so by itself, and keeps the text on the way to the sign-in', async () => {
  const { page } = await openConsole(browser, product)
  const id = await idOf('away@example.com', [MISSING])
  await open(page, `/deliveries/${id}`)
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('Paid back').check()
  await page.getByLabel('What was done').fill('refunded, order 1183')
  await endSession(page)
  await page.getByText('You are signed out, so updates have stopped').waitFor()
  assert.ok(await page.getByText('LMS available').isHidden())
  for (const { name, ...look } of LOOKS) {
    await page.setViewportSize(look.viewport)
    await page.emulateMedia({ colorScheme: look.colorScheme })
    await assertAccessible(page, `the stopped page, ${name}`)
  }
  await page.getByRole('link', { name: 'Sign in again' }).click()
  await signInAgain(page)
  await page.getByText('Your text is here again. It was not sent.').waitFor()
  assert.equal(await page.getByLabel('What was done').inputValue(), 'refunded, order 1183')
})

test('a page whose updates have stopped says since when, and continues by itself', async () => {
  const { page } = await openConsole(browser, product)
  await page.getByText('LMS available').waitFor()
  await page.context().setOffline(true)
  await page.getByText(/Updates have stopped.*as of \d+ \w+ \d+, \d\d:\d\d:\d\d/).waitFor()
  assert.ok(await page.getByText('LMS available').isHidden())
  await page.context().setOffline(false)
  await page.getByText('LMS available').waitFor()
  assert.ok(await page.getByText('Updates have stopped, because').isHidden())
})

test('the line about the LMS and the page below it change together', async (t) => {
  t.after(() => product.lms.noFaults())
  const { page } = await openConsole(browser, product)
  const someone = await operator(product)
  const id = await idOf('together@example.com')
  await open(page, `/deliveries/${id}`)
  await page.evaluate(`{
    window.contradictions = 0
    const look = () => {
      const line = document.querySelector('#health').textContent.includes('LMS available')
      const box = document.querySelector('#delivery').textContent.includes('The LMS is unavailable, so this delivery waits')
      if (line && box) window.contradictionSince ??= performance.now()
      else if (window.contradictionSince) {
        window.contradictions = Math.max(window.contradictions, performance.now() - window.contradictionSince)
        window.contradictionSince = null
      }
      requestAnimationFrame(look)
    }
    look()
  }`)
  await product.lms.faults([{ status: 503 }])
  await someone.send(`/deliveries/${id}/replay`)
  await page.getByText('so this delivery waits').waitFor()
  await page.getByText('LMS down').first().waitFor()
  const longest = Number(
    await page.evaluate(
      'Math.max(window.contradictions, window.contradictionSince ? performance.now() - window.contradictionSince : 0)',
    ),
  )
  assert.ok(longest < 5_000, `${longest} ms`)
})

test('Escape and a click elsewhere close the dates, and the address holds no empty filter', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, '/deliveries')
  const panel = page.getByLabel('Received until')
  const dates = page.getByText('Received', { exact: true })
  await dates.click()
  await panel.focus()
  await page.keyboard.press('Escape')
  assert.ok(await panel.isHidden(), 'Escape')
  assert.match(String(await focused(page)), /^<summary/)
  await dates.click()
  await page.locator('h1').click()
  assert.ok(await panel.isHidden(), 'a click elsewhere')
  await page.locator('#filters[data-htmx-powered]').waitFor()
  await page.getByLabel('Search deliveries').fill('costa')
  await page.waitForURL(/q=costa/)
  assert.equal(page.url(), `${product.console}/deliveries?q=costa`)
})
