import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sign } from '../../src/shop/signature/signature.ts'
import { DEMO, SECRET } from '../harness.ts'
import { assertAccessible, openConsole, startBrowsing } from './console.ts'

const MISSING = 'course-v1:No+Such+Course'
const { product, browser, idOf } = await startBrowsing()
const good = await idOf('alice@example.com', [DEMO])
await idOf('lost@example.com', [MISSING, DEMO])
const hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
const nasty = await idOf('nasty@example.com', [hostile])
await product.sell({ email: 'nasty@example.com', name: hostile })
for (let index = 0; index < 60; index++) await product.sell({ email: `buyer-${index}@example.com`, courseIds: [DEMO] })

test('a sale that holds HTML shows it as text', async () => {
  const { page, wrong } = await openConsole(browser, product)
  for (const path of [`/deliveries/${nasty}`, `/deliveries?q=${encodeURIComponent(hostile)}`, `/people/${nasty}`]) {
    await page.goto(product.console + path)
    await page.getByText('<script>alert(2)</script>').filter({ visible: true }).first().waitFor()
  }
  assert.deepEqual(wrong, [])
})

test('how long ago something was is never rounded up, nor called yesterday, which may be the day before', async () => {
  const { page } = await openConsole(browser, product)
  await page.goto(`${product.console}/replay?q=lost@`)
  const at = Date.parse((await page.locator('td time').first().getAttribute('datetime')) ?? '')
  const ages = [
    ['59 min ago', 59.7],
    ['23 hr ago', 23.9 * 60],
    ['1 day ago', 35 * 60],
  ] as const
  for (const [text, minutes] of ages) {
    await page.clock.setFixedTime(at + minutes * 60_000)
    await page.goto(`${product.console}/replay?q=lost@`)
    await page.getByText(text).first().waitFor()
  }
})

test('the search updates while typing, survives a reload, and has further pages', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await page.getByRole('link', { name: 'Deliveries', exact: true }).click()
  const searching = page.locator('#filters[data-htmx-powered]') // what is typed before is not searched for yet
  await searching.waitFor()
  await page.getByLabel('Search deliveries').pressSequentially('lost@')
  await page.waitForURL(/q=lost(@|%40)$/)
  const rows = page.locator('tr:not(.day)')
  await page.getByRole('link', { name: 'lost@example.com' }).waitFor()
  assert.equal(await rows.count(), 2)
  await page.reload()
  assert.equal(await page.getByLabel('Search deliveries').inputValue(), 'lost@')
  assert.equal(await rows.count(), 2)
  await searching.waitFor()
  await page.getByLabel('Search deliveries').fill('buyer-')
  await page.getByRole('link', { name: 'Older' }).click()
  await page.getByRole('link', { name: 'Newest' }).waitFor()
  assert.equal(await rows.count(), 11)
  await page.getByRole('link', { name: 'Rejected' }).click()
  await page.getByText('No delivery matches').waitFor()
  assert.match(page.url(), /q=buyer-/, 'a tab keeps the search')
  assert.deepEqual(wrong, [])
})

test('from the third page of a list, “Newer” leads back page by page', async () => {
  const { page } = await openConsole(browser, product)
  for (let index = 0; index < 45; index++) await product.sell({ email: `page-${index}@example.com` })
  await page.goto(`${product.console}/deliveries`)
  const link = (name: string) => page.getByRole('link', { name, exact: true })
  const shows = (from: number) =>
    page
      .locator('.pager')
      .getByText(new RegExp(`^${from}–`))
      .waitFor()
  for (const from of [1, 51]) {
    await shows(from)
    assert.equal(await link('Newer').count(), 0)
    await link('Older').click()
  }
  await shows(101)
  await link('Newer').click()
  await shows(51)
  assert.equal(await link('Newer').count(), 0, 'the page before is the newest one')
  await link('Newest').click()
  await shows(1)
})

test('times are shown in the reader’s zone, with the full time on hover', async () => {
  const { page } = await openConsole(browser, product)
  await page.goto(`${product.console}/deliveries/${good}`)
  const time = page.locator('ol.timeline time').first()
  const utc = new Date((await time.getAttribute('datetime')) ?? '')
  const tokyo = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone: 'Asia/Tokyo' })
  assert.equal(await time.textContent(), tokyo.format(utc))
  assert.match((await time.getAttribute('title')) ?? '', /GMT\+9.*UTC\)$/)
  const [, written] = /data-look="time">([^<]*)/.exec(await (await page.request.get(page.url())).text()) ?? []
  const shown = await page.locator('time[data-look="time"]').first().textContent()
  assert.equal(written, shown, 'as the service wrote it')
})

test('the page of a delivery that has just settled shows the answer to the shop without a reload', async () => {
  const { page, wrong } = await openConsole(browser, product)
  for (const email of ['soon-1@example.com', 'soon-2@example.com']) {
    await page.goto(`${product.console}/deliveries/${await idOf(email, [DEMO])}`)
    await page
      .locator('li.received')
      .getByText(/answered in/)
      .waitFor()
  }
  assert.deepEqual(wrong, [])
})

test('a browser that does not know its zone has everything in UTC, and says so', async () => {
  const { page, wrong } = await openConsole(browser, product)
  const [cookie] = (await page.context().cookies()).filter(({ name }) => name === 'lernito_zone')
  assert.equal(cookie?.value, 'Asia/Tokyo')
  await page.addInitScript(
    "Intl.DateTimeFormat.prototype.resolvedOptions = () => ({ timeZone: 'Etc/Unknown', locale: 'en' })",
  )
  await page.goto(`${product.console}/deliveries`)
  await page.locator('html[data-zone="UTC"]').waitFor({ state: 'attached' })
  await page.getByText('Times and days: UTC').waitFor()
  await page.goto(`${product.console}/deliveries/${good}`)
  const time = page.locator('ol.timeline time').first()
  const utc = new Date((await time.getAttribute('datetime')) ?? '')
  const format = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone: 'UTC' })
  assert.equal(await time.textContent(), format.format(utc))
  assert.deepEqual(wrong, [])
})

test('everything works without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  await page.getByRole('link', { name: 'Deliveries', exact: true }).click()
  await page.getByLabel('Search deliveries').fill('lost@')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByRole('link', { name: 'lost@example.com' }).click()
  assert.match((await page.locator('time').first().textContent()) ?? '', / UTC$/)
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('What was done').fill('refunded')
  await page.getByRole('button', { name: 'Mark as handled' }).click()
  await page.getByText('Marked as handled. The service no longer attempts it.').waitFor()
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Reopen…', { exact: true }).click()
  await page.getByRole('button', { name: 'Replay anyway' }).click()
  await page.getByText(/The delivery is due now|Replayed at/).waitFor()
  await page.goto(`${product.console}/replay?q=nobody@`)
  await page.getByLabel('Include deliveries that are enrolled or wait for buyers').check()
  await page.getByRole('button', { name: 'Update' }).click()
  assert.ok(await page.getByLabel('Include deliveries that are enrolled or wait for buyers').isChecked())
})

test('the keyboard reaches everything, and the first stop is the link to the content', async () => {
  const { page } = await openConsole(browser, product)
  await page.keyboard.press('Tab')
  assert.equal(await page.locator(':focus').textContent(), 'Skip to content')
  await page.keyboard.press('Enter')
  assert.equal(await page.locator(':focus').getAttribute('id'), 'main')
  await page.goto(`${product.console}/signature`)
  await page.getByLabel('Body').focus()
  await page.keyboard.type('{"a":1}')
  await page.keyboard.press('Tab')
  await page.keyboard.type(sign({ body: '{"a":1}', form: 'raw', secret: SECRET }))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'The signature is valid' }).waitFor()
})

test('a bulk replay has a preview, shows its progress, and is listed in the changes with its operator', async () => {
  const { page, wrong } = await openConsole(browser, product)
  await page.goto(`${product.console}/deliveries?q=buyer-`)
  await page.getByRole('link', { name: 'Replay these…' }).click()
  await page.locator('form[hx-get$="/replay"][data-htmx-powered]').waitFor() // a choice before that is not noticed
  await page.getByText('There is nothing to replay').waitFor()
  await page.getByLabel('Include deliveries that are enrolled or wait for buyers').check()
  await page.getByText('Deliveries to replay: 60.').waitFor()
  await assertAccessible(page, 'the preview')
  await page.getByRole('button', { name: 'Replay 60' }).click()
  await page.getByRole('heading', { name: 'Done', exact: true }).waitFor({ timeout: 30_000 })
  await page.getByText('60 waiting for buyers.').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Stop' }).count(), 0)
  await assertAccessible(page, 'the progress')
  await page.getByRole('link', { name: '60 waiting for buyers' }).click()
  await page.getByText('1–50', { exact: true }).waitFor()
  await page.getByRole('link', { name: 'Changes' }).click()
  await assertAccessible(page, 'the changes')
  await page
    .getByRole('link', { name: /^bulk replay \w+ of 60$/ })
    .first()
    .click()
  await page.getByText('60 waiting for buyers.').waitFor()
  assert.deepEqual(wrong, [])
})

test('the open overview shows the beginning and the end of an outage without a reload', async (t) => {
  t.after(() => product.lms.noFaults())
  const { page } = await openConsole(browser, product)
  await page.getByRole('heading', { name: 'All quiet' }).or(page.getByText('needs attention')).first().waitFor()
  await product.lms.faults([{ status: 503 }])
  await product.sell({ email: 'waits@example.com' })
  await page.getByText(/LMS down for/).waitFor()
  await page.getByText('LMS down', { exact: false }).first().waitFor()
  await assertAccessible(page, 'the overview in an outage')
  assert.doesNotMatch((await page.locator('#health time').textContent()) ?? '', /UTC/, 'still in the reader’s zone')
  await product.lms.noFaults()
  await page.getByText(/LMS down for/).waitFor({ state: 'detached' })
})

test('signing out ends the session', async () => {
  const { page } = await openConsole(browser, product)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
})
