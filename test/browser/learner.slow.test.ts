import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startProduct } from '../harness.ts'
import { launchBrowser } from './browser.ts'

const COURSE = 'Demonstration Course'
const PASSWORD = 'pw-Test-123'

const product = await startProduct()
const browser = await launchBrowser()
after(async () => {
  await browser.close()
  await product.stop()
})

/** Opens a page of the LMS as a new visitor, by default on a phone. */
async function visit(path: string, width = 390): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height: 844 } })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  await page.goto(product.lmsUrl + path)
  return page
}

async function signIn(page: Page, login: string, password: string): Promise<void> {
  await page.getByLabel('E-mail address or username').fill(login)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** The courses on a page that a click has led to. */
async function courses(page: Page): Promise<string[]> {
  await page.waitForLoadState()
  return page.locator('ul.courses li').allTextContents()
}

test('a buyer with an account finds the course on the dashboard after the sale, and not before it', async () => {
  const page = await visit('/login')
  await signIn(page, 'alice@example.com', PASSWORD)
  assert.deepEqual(await courses(page), [])
  await product.sell({ email: 'alice@example.com' })
  await page.goto(`${product.lmsUrl}/dashboard`)
  const [course, ...others] = await courses(page)
  assert.match(course ?? '', new RegExp(COURSE))
  assert.deepEqual(others, [])
})

test('a buyer without an account registers, activates the account, signs in, and finds the course on the dashboard', async () => {
  assert.equal((await product.sell({ email: 'newcomer@example.com' })).status, 200)
  const page = await visit('/')
  await page.getByRole('link', { name: 'Register' }).first().click()
  await page.getByLabel('E-mail address').fill('newcomer@example.com')
  await page.getByLabel('Public username').fill('newcomer')
  await page.getByLabel('Full name').fill('New Comer')
  await page.getByLabel('Password').fill('a-Long-1-password')
  await page.getByRole('button', { name: 'Create account' }).click()
  const before = await product.lms.state()
  assert.deepEqual(
    before.enrollments.filter(({ email }) => email === 'newcomer@example.com'),
    [],
    'not yet activated',
  )
  await page.getByRole('link', { name: 'Activate the account' }).click()
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await signIn(page, 'newcomer@example.com', 'a-Long-1-password')
  assert.match((await courses(page)).join(), new RegExp(COURSE))
})

test('the pages fit a phone and a desktop without scrolling sideways', async () => {
  for (const width of [390, 1280]) {
    for (const path of ['/', '/register', '/login']) {
      const page = await visit(path, width)
      const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
      assert.equal(overflow, 0, `${path} at ${width} px`)
    }
  }
})

test('a wrong password and an incomplete form show what is wrong', async () => {
  const login = await visit('/login')
  await signIn(login, 'alice@example.com', 'wrong')
  assert.match((await login.locator('.wrong').first().textContent()) ?? '', /password/i)
  const register = await visit('/register')
  await register.getByLabel('E-mail address').fill('alice@example.com')
  await register.getByLabel('Public username').fill('alice')
  await register.getByLabel('Full name').fill('Alice')
  await register.getByLabel('Password').fill('a-Long-1-password')
  await register.getByRole('button', { name: 'Create account' }).click()
  await register.locator('.wrong').first().waitFor()
})
