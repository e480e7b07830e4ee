import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../harness.ts'
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
