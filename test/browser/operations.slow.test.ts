import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { openConsole, startBrowsing } from './console.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'
const TYPO = 'course-v1:edX+DemoX+Demo_Curse'
const { product, browser, open, idOf } = await startBrowsing({ catalogueMs: 1_000 })
const activeOf = async (email: string): Promise<boolean | undefined> =>
  (await product.lms.state()).enrollments.find((row) => row.email === email)?.active
const seen = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor()

// With JavaScript, tasks.slow.test.ts and forms.slow.test.ts have these.

test('an operator corrects a mistyped address and withdraws the old one, without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  const right = 'erin@example.com'
  const wrongAddress = 'mistyped@example.com'
  const id = await idOf(wrongAddress)
  await open(page, `/deliveries/${id}`)
  await page.getByRole('link', { name: 'Correct' }).click()
  await page.getByLabel('Email').fill(right)
  await page.getByRole('button', { name: 'Preview' }).click()
  await seen(page, `A new delivery for ${right} in:`)
  await page.getByLabel(`Take ${wrongAddress} out of the courses`).check()
  await page.getByRole('button', { name: 'Correct the delivery' }).click()
  await seen(page, 'This is the corrected sale.')
  await seen(page, 'This delivery replaces')
  await page.getByRole('link', { name: id }).click()
  await seen(page, 'This delivery was replaced by')
  await until('the withdrawal', async () => {
    const { allowances } = await product.lms.state()
    return allowances.every(({ email }) => email !== wrongAddress) || undefined
  })
  await until('the enrollment', async () => (await activeOf(right)) || undefined)
  const withdrawn = page.getByRole('heading', { name: 'Withdrawn', exact: true })
  await until('the state', async () => (await page.reload()) && ((await withdrawn.count()) > 0 || undefined))
})

test('an operator uses the closest course key for one that the LMS does not have, without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  const id = await idOf('course@example.com', [TYPO])
  await open(page, `/deliveries/${id}`)
  await page.getByRole('button', { name: /^Correct to .*Demo/ }).click()
  await seen(page, 'The LMS has this course.')
  await page.getByRole('button', { name: 'Correct the delivery' }).click()
  await seen(page, 'This is the corrected sale.')
  await until('the allowance', async () => {
    const { allowances } = await product.lms.state()
    return allowances.some(({ email }) => email === 'course@example.com') || undefined
  })
})

test('an operator withdraws a buyer from one course, and from a paid mode only after a second confirmation, without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  const buyer = 'grace@example.com'
  const id = await idOf(buyer, [HONOR])
  await product.lms.seed({ enrollments: [{ email: buyer, course: HONOR, mode: 'verified', active: true }] })
  await open(page, `/deliveries/${id}`)
  await page.getByText('More', { exact: true }).click()
  await page.getByRole('link', { name: 'Withdraw…' }).click()
  await seen(page, 'course mode verified')
  await page.getByRole('button', { name: 'Withdraw' }).click()
  await seen(page, 'Select “Also take away paid course modes” to include it.')
  assert.equal(await activeOf(buyer), true)
  await page.getByLabel('Also take away paid course modes').check()
  await page.getByRole('button', { name: 'Withdraw' }).click()
  await seen(page, /The withdrawal is stored\.|Ordered at/)
  await until('the withdrawal', async () => ((await activeOf(buyer)) === false ? true : undefined))
  const withdrawn = page.getByRole('heading', { name: 'Withdrawn', exact: true })
  await until('the state', async () => (await page.reload()) && ((await withdrawn.count()) > 0 || undefined))
  await page.locator('li.withdrawal_requested').getByText('by admin').waitFor()
})

test('an operator makes a test sale, checks it in the LMS, and sees the mark, without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  const address = 'test@example.com'
  await open(page, '/deliveries')
  await page.getByRole('link', { name: 'Test sale', exact: true }).click()
  await page.getByLabel('Email').fill('nobody')
  await page.getByLabel('Course keys').fill(DEMO)
  await page.getByRole('button', { name: 'Make the test sale' }).click()
  await seen(page, 'email: Enter a valid email address.')
  await page.getByLabel('Email').fill(address)
  await page.getByRole('button', { name: 'Make the test sale' }).click()
  await seen(page, 'This is the test sale.')
  const check = page.getByRole('button', { name: 'Check now' })
  await until('the result', async () => {
    await page.reload()
    return (await check.count()) > 0 || undefined
  })
  assert.ok((await product.lms.state()).allowances.some(({ email }) => email === address))
  await check.click()
  await seen(page, 'Checked in the LMS.')
  await seen(page, 'not registered yet')
  await open(page, `/deliveries?q=${address}`)
  assert.equal(await page.locator('.state.test').count(), 1)
})

test('an operator marks an enrolled delivery as handled, without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  const id = await idOf('handled@example.com')
  await open(page, `/deliveries/${id}`)
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('Paid back').check()
  await page.getByLabel('What was done').fill('refunded by hand')
  await page.getByRole('button', { name: 'Mark as handled' }).click()
  await seen(page, 'Marked as handled.')
  assert.equal(await page.getByText('Mark as handled…').count(), 0)
})

test('the name of a course stands in the line of what is said of it, with its key right below, and can be pressed', async () => {
  const { page } = await openConsole(browser, product)
  const id = await idOf('line@example.com')
  await open(page, `/deliveries/${id}`)
  const name = page.locator('.list a.course')
  await until('the name', async () => (await name.count()) > 0 || (await page.reload().then(() => undefined)))
  /** Where the letters are, without the padding around them. */
  const lettersOf = (of: string) =>
    page.evaluate<{ top: number; bottom: number }>(`(() => {
      const range = document.createRange()
      range.selectNodeContents(document.querySelector('.list ${of}'))
      return range.getBoundingClientRect().toJSON()
    })()`)
  const [course, key, said] = [await lettersOf('a.course bdi'), await lettersOf('code'), await lettersOf('.word')]
  assert.ok(Math.abs(course.top - said.top) < 2, `${course.top} ${said.top}`)
  assert.ok(key.top - course.bottom < 4, `${key.top} ${course.bottom}`)
  assert.ok(((await name.boundingBox())?.height ?? 0) >= 24)
})
