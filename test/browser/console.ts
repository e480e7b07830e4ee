import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, beforeEach } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, BrowserContextOptions, Cookie, Page } from 'playwright-core'
import { PASSWORD, STAFF, startWithConsole, type WithConsole } from '../console/harness.ts'
import { launchBrowser } from './browser.ts'

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

/** Each width and each color scheme once: what a page looks like depends on the two apart. */
export const LOOKS = [
  { name: 'light, desktop', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark, phone', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
] as const satisfies (BrowserContextOptions & { name: string })[]

/** The product with its console, and a browser: both until the end of a file of tests. */
export async function startBrowsing(options: Parameters<typeof startWithConsole>[0] = {}) {
  const product = await startWithConsole(options)
  const browser = await launchBrowser()
  // A page that is left open would ask for updates until the end of the file.
  let kept: BrowserContext[] = []
  beforeEach(() => {
    kept = browser.contexts()
  })
  afterEach(async () => {
    for (const context of browser.contexts()) if (!kept.includes(context)) await context.close()
  })
  after(async () => {
    await browser.close()
    await product.stop()
  })
  return {
    product,
    browser,
    /** Opens a page by its path below the console's address. */
    open: (page: Page, path: string) => page.goto(product.console + path),
    idOf: product.idOf,
  }
}

/** The cookies of the last operator who signed in, by the address of the console. */
const signedIn = new Map<string, Cookie[]>()

/**
 * Opens a window in which an operator is signed in: through the pages the first time, and as long as that session lasts
 * with its cookies. `wrong` collects the errors and warnings of the browser.
 */
export async function openConsole(
  browser: Browser,
  product: Pick<WithConsole, 'console'>,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; wrong: string[] }> {
  const context = await browser.newContext({ timezoneId: 'Asia/Tokyo', locale: 'en-GB', ...options })
  const { javaScriptEnabled = true, timezoneId = 'Asia/Tokyo' } = options
  const cookies = signedIn.get(product.console) ?? []
  await context.addCookies(cookies.filter(({ name }) => name !== 'lernito_zone'))
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const wrong: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(message.text())
  })
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('dialog', (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(`${product.console}/`)
  const overview = page.getByRole('heading', { level: 1, name: 'Overview' })
  const login = page.getByLabel('E-mail address or username')
  await overview.or(login).waitFor()
  if (await login.isVisible()) {
    await login.fill(STAFF)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await overview.waitFor()
  }
  // The first page tells the service the zone, and is loaded again in it.
  await page.locator(`html[data-zone="${javaScriptEnabled ? timezoneId : 'UTC'}"]`).waitFor({ state: 'attached' })
  await page.waitForLoadState()
  signedIn.set(product.console, await context.cookies())
  return { page, wrong }
}

/** In the browser: what axe-core finds wrong. Only this is sent back, because the whole result of a page is megabytes. */
const VIOLATIONS = `axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]))`

/** Checks that axe-core finds no violation and that the page does not scroll sideways. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(AXE)
  assert.deepEqual(await page.evaluate(VIOLATIONS), [], what)
  const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
  assert.equal(overflow, 0, `${what} scrolls sideways`)
}
