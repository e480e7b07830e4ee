import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { sign } from '../../src/shop/signature/signature.ts'
import { DEMO, exchange, payload } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK } from '../service/serving.ts'
import { assertAccessible, openConsole, startBrowsing } from './console.ts'

/** The tickets of docs/how-to/answer-a-support-ticket.md, each solved in the console by mouse and a few words alone. */
const PYTHON = 'course-v1:Lernito+PY101+2026'
const TYPO = 'course-v1:Lernito+PY11+2026'
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
const { product, browser } = await startBrowsing({ env: { LERNITO_ANSWER_WITHIN_MS: '300' } })
const { lms, sell } = product
const has = (email: string, course = DEMO) =>
  until(`${email} in the course`, async () => {
    const { enrollments, allowances } = await lms.state()
    const found = [...enrollments.filter(({ active }) => active), ...allowances]
    return found.some((row) => row.email === email && row.course === course) || undefined
  })
const hasNothing = (email: string) =>
  until(`nothing for ${email}`, async () => {
    const { enrollments, allowances } = await lms.state()
    const found = [...enrollments.filter(({ active }) => active), ...allowances]
    return found.every((row) => row.email !== email) || undefined
  })
const seen = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor()

/** No ticket takes more clicks, from the overview to its solution. */
const CLICKS_MAX = 4

/** Opens the overview. `clicks` are those of the mouse since then, whatever they hit. */
async function openOverview(): Promise<{ page: Page; clicks: () => number }> {
  const { page } = await openConsole(browser, product).catch(() => openConsole(browser, product))
  let count = 0
  await page.exposeFunction('countClick', () => {
    count++
  })
  const listen = "addEventListener('click', ({ detail }) => { if (detail > 0) countClick() }, true)"
  await page.addInitScript(listen)
  await page.evaluate(listen)
  return { page, clicks: () => count }
}

/** Finds a buyer as the playbook says: "/", the address, and opens the delivery. */
async function find(page: Page, email: string): Promise<void> {
  // Before the page's script runs, the key does nothing.
  await until('the cursor in the search', async () => {
    if ((await page.locator('input[type=search]:focus').count()) > 0) return true
    await page.keyboard.press('/')
    return undefined
  })
  await page.keyboard.type(email)
  await page.getByRole('group', { name: 'Deliveries' }).getByRole('option').first().click()
}

test('ticket 1: “I paid and can’t see my course”', async () => {
  await sell({ email: 'patient@example.com' })
  const { page, clicks } = await openOverview()
  await find(page, 'patient@example.com')
  await page.getByRole('heading', { name: 'Waiting for buyer' }).waitFor()
  await page.getByRole('button', { name: 'Check now' }).click()
  await seen(page, 'nobody has registered with this address')
  // The buyer registers, and activates the account.
  await lms.people({ email: 'patient@example.com', username: 'patient', active: false })
  await lms.activate('patient@example.com')
  await page.getByRole('button', { name: 'Check now' }).click()
  await page.getByRole('heading', { name: 'Enrolled', exact: true }).waitFor()
  await seen(page, 'In the LMS: enrolled, course mode audit.')
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})

test('ticket 2: “The product has a wrong course key”', async () => {
  await sell({ email: 'alice@example.com', courseIds: [TYPO] })
  const { page, clicks } = await openOverview()
  await find(page, 'alice@example.com')
  await seen(page, `The LMS has no course ${TYPO}.`)
  await page.getByRole('button', { name: `Correct to ${PYTHON}…` }).click()
  await page.getByRole('button', { name: 'Correct the delivery' }).click()
  await seen(page, 'This is the corrected sale.')
  await has('alice@example.com', PYTHON)
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})

test('ticket 2, of twenty buyers: all of them are corrected at once, after one confirmation', async () => {
  const buyers = Array.from({ length: 20 }, (_, i) => `twenty-${i}@example.com`)
  for (const email of buyers) await sell({ email, courseIds: [TYPO] })
  const { page, clicks } = await openOverview()
  await page.getByRole('link', { name: 'Correct 20 to Lernito+PY101+2026…' }).click()
  await page.getByRole('button', { name: 'Correct 20 sales…' }).click()
  await page.getByRole('button', { name: 'Enroll 20 buyers' }).click()
  await seen(page, '20 of 20 buyers are on their way')
  await assertAccessible(page, 'the result of a bulk correction')
  for (const email of buyers) await has(email, PYTHON)
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})

test('ticket 3: “The LMS was down”', async () => {
  const { page, clicks } = await openOverview()
  await lms.faults([BULK, MODIFY].map((path) => ({ path, status: 503 })).concat({ path: '/heartbeat', status: 503 }))
  await sell({ email: 'erin@example.com' })
  await page.reload()
  await page.getByRole('heading', { name: /LMS down for/ }).waitFor()
  await lms.noFaults()
  await has('erin@example.com')
  await find(page, 'erin@example.com')
  await page.getByRole('heading', { name: 'Enrolled', exact: true }).waitFor()
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})

test('ticket 4: “The secret changed”', async () => {
  const body = payload({ email: 'refused@example.com' })
  const signature = sign({ body, form: 'original', secret: 'another-secret' })
  const headers = { 'content-type': 'application/json', 'x-lernito-signature': signature }
  for (let i = 0; i < 6; i++) assert.equal((await exchange({ url: product.webhook, headers, body })).status, 401)
  const { page, clicks } = await openOverview()
  await page.getByRole('heading', { name: 'Webhooks with a wrong signature keep arriving' }).waitFor()
  await page.getByRole('link', { name: 'Signature checker' }).click()
  await page.getByLabel('Body').fill(body)
  await page.getByLabel('X-Lernito-Signature').fill(signature)
  await page.getByRole('button', { name: 'Check' }).click()
  await seen(page, 'The signature is refused')
  await seen(page, 'its secret differs from LERNITO_WEBHOOK_SECRET')
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})

test('ticket 5: “I paid with another address”', async () => {
  await sell({ email: 'at-work@example.com' })
  const { page, clicks } = await openOverview()
  await find(page, 'at-work@example.com')
  await page.getByRole('link', { name: 'Correct' }).click()
  await page.getByLabel('E-mail').fill('grace@example.com')
  await page.keyboard.press('Enter')
  await page.getByLabel('Take at-work@example.com out of the courses').check()
  await page.getByRole('button', { name: 'Correct the delivery' }).click()
  await seen(page, 'This is the corrected sale.')
  await has('grace@example.com')
  await hasNothing('at-work@example.com')
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})

test('ticket 6: “Refund”', async () => {
  await sell({ email: 'frank@example.com' })
  const { page, clicks } = await openOverview()
  await find(page, 'frank@example.com')
  await page.getByText('More', { exact: true }).click()
  await page.getByRole('link', { name: 'Withdraw…' }).click()
  await page.getByRole('button', { name: 'Withdraw' }).click()
  await seen(page, 'The withdrawal is stored.')
  await hasNothing('frank@example.com')
  await page.getByRole('heading', { name: 'Withdrawn', exact: true }).waitFor()
  assert.ok(clicks() >= 1 && clicks() <= CLICKS_MAX, `${clicks()} clicks`)
})
