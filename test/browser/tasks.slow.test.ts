import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { startWithConsole } from '../console/harness.ts'
import { DEMO, exchange, payload, signed } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK } from '../service/serving.ts'
import { EVENTS_SECRET, startReceiver, statusAnswer } from '../shop/events/receiver.ts'
import { assertAccessible, openConsole, startBrowsing } from './console.ts'

/**
 * What operators want in a day's work, each solved with the mouse from the overview, in no more clicks than given. What is
 * typed, and Enter, is no click. docs/how-to/answer-a-support-ticket.md describes some of them.
 */
const PYTHON = 'course-v1:Lernito+PY101+2026'
const TYPO = 'course-v1:Lernito+PY11+2026'
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
/** The day in the zone of the browser, Asia/Tokyo: its month begins nine hours before that of UTC. */
const today = new Date(Date.now() + 9 * 3_600_000)
/** A sale of then is one of last month, and older than seven days, on whatever day this runs. */
const LAST_MONTH = Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - 1, 15)
const clock = { offset: LAST_MONTH - Date.now() }

const receiver = await startReceiver({ after })
const { product, browser } = await startBrowsing({
  env: {
    LERNITO_ANSWER_WITHIN_MS: '300',
    LERNITO_EVENTS_URL: receiver.url,
    LERNITO_EVENTS_SECRET: EVENTS_SECRET,
  },
  now: () => Date.now() + clock.offset,
  catalogueMs: 1_000,
})
const { lms, sell } = product
const has = (email: string, course = DEMO) =>
  until(`${email} in the course`, async () => {
    const { enrollments, allowances } = await lms.state()
    const found = [...enrollments.filter(({ active }) => active), ...allowances]
    return found.some((row) => row.email === email && row.course === course) || undefined
  })
const seen = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor()

await sell({ email: 'heidi@example.com', courseIds: [DEMO, PYTHON], name: 'Heidi' })
await sell({ email: 'never@example.com', name: 'Nevermore' })
await has('heidi@example.com', PYTHON)
await has('never@example.com')
clock.offset = 0

/** In the page: counts what the mouse presses, whatever it hits, in each page of the tab. */
const COUNT =
  "addEventListener('pointerdown', () => { sessionStorage.clicks = 1 + Number(sessionStorage.clicks ?? 0) }, true)"
const { page, wrong } = await openConsole(browser, product)
await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
await page.addInitScript(COUNT)

/** Tests what an operator wants, which takes at most so many clicks. */
function task(name: string, most: number, solve: () => Promise<void>): void {
  test(name, async (t) => {
    t.after(() => lms.noFaults())
    await page.goto(`${product.console}/`)
    await page.evaluate('delete sessionStorage.clicks')
    await solve()
    await assertClicks(page, most)
  })
}

async function assertClicks(on: Page, most: number): Promise<void> {
  const clicks = Number(await on.evaluate('sessionStorage.clicks ?? 0'))
  assert.ok(clicks >= 1 && clicks <= most, `${clicks} clicks, and not ${most}`)
}

/** Types into the search of whatever page is open. */
async function search(text: string): Promise<void> {
  await page.locator('#q[role=combobox][data-htmx-powered]').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type(text)
  await page.locator(`[data-for="${text}"]`).waitFor()
}
/** Searches, and opens the first result of a group: one click. */
async function find(text: string, group: string | RegExp = 'Deliveries'): Promise<void> {
  await search(text)
  await page.getByRole('group', { name: group }).getByRole('option').first().click()
}

/** A page shows by itself what has changed, but some seconds later. */
const reloadUntil = (found: Locator) =>
  until(`${found}`, async () => {
    await page.reload()
    return (await found.count()) > 0 || undefined
  })

/** Downloads a file by one click, and returns its rows. */
async function download(link: string): Promise<string[]> {
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: link }).click()])
  return readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\r\n')
}

task(
  '“I paid with another address”: the sale is found by what the addresses share, and moved to the account',
  3,
  async () => {
    await sell({ email: 'martin.lopez@firma.example', name: 'Martin' })
    await lms.people({ email: 'martin.lopez@example.com', username: 'martinl', active: true })
    await search('martin.lopez@example.com')
    await seen(page, 'No sale to this address is stored.')
    await page
      .getByRole('group', { name: /^Similar/ })
      .getByRole('option', { name: /firma/ })
      .click()
    await page.getByRole('link', { name: 'Correct the address…' }).click()
    await page.getByLabel('Email').fill('martin.lopez@example.com')
    await page.keyboard.press('Enter')
    await seen(page, /martinl.*active|active.*martinl/)
    await page.getByRole('button', { name: 'Correct the delivery' }).click()
    await seen(page, 'This is the corrected sale.')
    await has('martin.lopez@example.com')
    await page.getByRole('heading', { name: 'Enrolled', exact: true }).waitFor()
  },
)

task('“I registered, and the course isn’t there”: the reply says to activate the account', 2, async () => {
  await sell({ email: 'nina@example.com', name: 'Nina' })
  await lms.people({ email: 'nina@example.com', username: 'nina', active: false })
  await find('nina@example.com', 'People')
  await page.getByRole('heading', { name: 'Registered in the LMS, but not activated' }).waitFor()
  await page.getByRole('button', { name: 'Copy reply' }).click()
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  const reply = String(await page.evaluate('navigator.clipboard.readText()'))
  assert.match(reply, /^Hello Nina,.*Demonstration Course.*isn’t activated yet/s)
  assert.doesNotMatch(reply, /create an account/)
})

task('“I paid and can’t see my course”: the buyer registers, and a check finds it', 3, async () => {
  await sell({ email: 'patient@example.com' })
  await find('patient@example.com')
  await page.getByRole('heading', { name: 'Waiting for buyer' }).waitFor()
  await page.getByRole('button', { name: 'Check now' }).click()
  await seen(page, 'not registered yet')
  await lms.people({ email: 'patient@example.com', username: 'patient', active: false })
  await lms.activate('patient@example.com')
  await page.getByRole('button', { name: 'Check now' }).click()
  await page.getByRole('heading', { name: 'Enrolled', exact: true }).waitFor()
  await seen(page, 'course mode audit')
})

task('a product has a wrong course key: its one sale is corrected to the key that was meant', 3, async () => {
  await sell({ email: 'alice@example.com', courseIds: [TYPO] })
  await find('alice@example.com')
  await seen(page, `The LMS has no course ${TYPO}.`)
  await page.getByRole('button', { name: /^Correct to / }).click()
  await page.getByRole('button', { name: 'Correct the delivery' }).click()
  await seen(page, 'This is the corrected sale.')
  await has('alice@example.com', PYTHON)
})

task(
  'a product has a wrong course key: its twenty sales are corrected at once, after one confirmation',
  4,
  async () => {
    const buyers = Array.from({ length: 20 }, (_, i) => `twenty-${i}@example.com`)
    for (const email of buyers) await sell({ email, courseIds: [TYPO] })
    const offer = page.getByRole('link', { name: /^Correct 20 to / })
    await until('the offer', async () => {
      await page.reload()
      return (await offer.count()) > 0 || undefined
    })
    await offer.click()
    await page.getByRole('button', { name: 'Correct 20 sales…' }).click()
    await page.getByRole('button', { name: 'Enroll 20 buyers' }).click()
    await seen(page, '20 of 20 buyers are on their way')
    await assertAccessible(page, 'the result of a bulk correction')
    for (const email of buyers) await has(email, PYTHON)
  },
)

task('the LMS was down: who had to wait, and are they all enrolled?', 2, async () => {
  const paths = [BULK, MODIFY, '/heartbeat']
  await lms.faults(paths.map((path) => ({ path, status: 503 })))
  const buyers = ['erin@example.com', 'grace@example.com', 'jose@example.com']
  for (const email of buyers) await sell({ email })
  await page.reload()
  await page.getByRole('heading', { name: /LMS down for/ }).waitFor()
  await lms.noFaults()
  for (const email of buyers) await has(email)
  const waited = page.getByRole('link', { name: /^3 sales waited, all enrolled by/ })
  await reloadUntil(waited)
  await waited.click()
  await page
    .locator('.became')
    .getByText(/^3 sales waited, all enrolled by \d\d:\d\d/)
    .waitFor()
  for (const email of buyers) await page.getByRole('row').filter({ hasText: email }).getByText('Enrolled').waitFor()
})

task('the shop has another secret: since when, from where, and what to do', 1, async () => {
  const body = payload({ email: 'refused@example.com' })
  const headers = signed(body, 'another-secret')
  for (let i = 0; i < 6; i++) assert.equal((await exchange({ url: product.webhook, headers, body })).status, 401)
  await page.reload()
  const problem = page.locator('.note', { hasText: 'Webhooks came with a wrong signature' })
  await problem.getByRole('link').click()
  await page.getByRole('heading', { level: 1, name: /^Refused/ }).waitFor()
  await seen(page, /127\.0\.0\.1.*send again/)
  await seen(page, 'LERNITO_WEBHOOK_SECRET')
})

task('a refund of one of two courses: the buyer keeps the other one', 5, async () => {
  await sell({ email: 'frank@example.com', courseIds: [DEMO, PYTHON] })
  await has('frank@example.com', PYTHON)
  await find('frank@example.com')
  await page.getByText('More', { exact: true }).click()
  await page.getByRole('link', { name: 'Withdraw…' }).click()
  await page.getByRole('checkbox', { name: 'Python 101' }).uncheck()
  await page.getByRole('button', { name: 'Withdraw' }).click()
  await seen(page, /In 1 of 2 courses\..*Demo.* was withdrawn by admin/)
  const rows = (await lms.state()).enrollments.filter(({ email }) => email === 'frank@example.com')
  assert.deepEqual(
    rows.filter(({ active }) => active).map(({ course }) => course),
    [PYTHON],
  )
})

task('a person wants to be forgotten: what was erased', 4, async () => {
  await sell({ email: 'leaves@example.com', name: 'Leander' })
  await find('leaves@example.com', 'People')
  await page.getByRole('button', { name: 'Erase this person…' }).click()
  await page.getByLabel('Also cancel courses that wait').check()
  await page.getByLabel('To confirm, type leaves@example.com').fill('leaves@example.com')
  await page.getByRole('button', { name: 'Erase' }).click()
  await seen(page, 'Deliveries erased: 1.')
  await seen(page, 'Courses canceled that waited for this address in the LMS: 1.')
})

task('last month’s sales by course, and as a file', 3, async () => {
  await page.getByRole('link', { name: 'Last month' }).click()
  await seen(page, 'the table adds up to 3.')
  const row = page.getByRole('row', { name: /Demonstration Course/ })
  assert.deepEqual((await row.getByRole('cell').allTextContents()).slice(0, 3), ['2', '1', '1'])
  const [head, ...rows] = await download('Download CSV')
  assert.match(head ?? '', /"email","name".*"course","course_name","received"/)
  assert.equal(rows.length, 3)
  assert.ok(rows.some((one) => /heidi@example\.com.*"Python 101"/.test(one)))
})

task('“Was this sold, and what exactly?”: what the shop sent, and from where', 2, async () => {
  await find('heidi@example.com')
  await page.locator('li.received summary').click()
  await page.locator('li.received').getByText(`"${PYTHON}"`).waitFor()
  await page.getByRole('complementary').getByText('127.0.0.1').waitFor()
})

task('the shop does not get the results: why, and that it has them again', 2, async () => {
  receiver.answer(statusAnswer(410))
  await sell({ email: 'untold@example.com' })
  const problem = page.locator('.note', { hasText: 'The shop does not get the results of its sales' })
  await reloadUntil(problem)
  await problem.getByRole('link').click()
  await seen(page, /answered 410 Gone/)
  receiver.answer(null)
  await page.getByRole('button', { name: 'Send again' }).click()
  await seen(page, /^Trying /) // a reload while the click's own page loads is an error of the browser
  await reloadUntil(page.getByText('The shop has every event.'))
  await seen(page, 'The shop’s endpoint works.')
})

task('who paid more than a week ago and never registered: a file for a reminder', 3, async () => {
  await sell({ email: 'paid-today@example.com' })
  await page.getByRole('link', { name: /older than 7 days/ }).click()
  await page.getByRole('link', { name: 'never@example.com' }).waitFor()
  const [, ...rows] = await download('Download CSV')
  assert.equal(rows.length, 1)
  assert.match(rows[0] ?? '', /"never@example\.com","Nevermore Comer".*"Demonstration Course"/)
})

test('a new shop: what it needs is copied, its first webhook shows, and a test sale goes through', async (t) => {
  const fresh = await startWithConsole({ catalogueMs: 1_000 })
  t.after(() => fresh.stop())
  const { page: first } = await openConsole(browser, fresh)
  await first.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await first.addInitScript(COUNT)
  await first.goto(`${fresh.console}/`)
  await first.locator('#no-problem').getByRole('link', { name: 'Setup' }).click()
  const shop = first.locator('#connect-shop')
  await shop.getByRole('button', { name: 'Copy' }).first().click()
  const isCopied = async () => (await first.evaluate('navigator.clipboard.readText()')) === fresh.webhook
  await until('the copy', async () => (await isCopied()) || undefined)
  await shop.getByText('Waiting for the first signed webhook…').waitFor()
  await first.getByLabel('Email').fill('tester@example.com')
  await fresh.sell({ email: 'first@example.com' })
  await first.locator('#connect-shop.done').waitFor()
  await seen(first, /^[34] of 6 done\./)
  assert.equal(await first.getByLabel('Email').inputValue(), 'tester@example.com', 'what is typed elsewhere stays')
  await first.getByLabel('Course', { exact: true }).selectOption({ label: `Demonstration Course – ${DEMO}` })
  await first.getByRole('button', { name: 'Make the test sale' }).click()
  await seen(first, 'This is the test sale.')
  await first.getByRole('heading', { name: 'Waiting for buyer' }).waitFor()
  await assertClicks(first, 3) // and one that opens the courses, which the browser itself lists
})

test('the browser reports no error', () => assert.deepEqual(wrong, []))
