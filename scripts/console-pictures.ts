import { mkdirSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { sign } from '../src/signature/signature.ts'
import { launchBrowser } from '../test/browser/browser.ts'
import { openConsole } from '../test/browser/console.ts'
import { startWithConsole, type WithConsole } from '../test/console/harness.ts'
import { exchange, SECRET } from '../test/harness.ts'

const FOLDER = fileURLToPath(new URL('../docs/pictures', import.meta.url))
const DAY_MS = 24 * 60 * 60_000
const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const FULL = 'course-v1:Lernito+Full+2026'
const DESKTOP = { viewport: { width: 1100, height: 760 }, timezoneId: 'Europe/Berlin' }
const PHONE = { viewport: { width: 390, height: 780 }, timezoneId: 'Europe/Berlin', colorScheme: 'dark' as const }

/** Sends a sale as the shop does, including invalid ones. */
async function sell(product: WithConsole, name: string, courseIds: readonly string[], email?: string): Promise<void> {
  const body = JSON.stringify({
    email: email ?? `${name.toLowerCase()}@example.com`,
    name,
    family: 'Example',
    username: `${name.toLowerCase()}26`,
    courseIds,
  })
  const signature = sign({ body, form: 'original', secret: SECRET })
  const headers = { 'content-type': 'application/json', 'x-lernito-signature': signature }
  await exchange({ url: product.webhook, headers, body })
}

/** A day of sales: most succeed, one course is full, one course key is wrong, one address is invalid. */
async function sellAll(product: WithConsole): Promise<void> {
  for (const name of ['Alice', 'Erin', 'Frank', 'Jose', 'Dave', 'Nora', 'Oleg']) await sell(product, name, [DEMO])
  await sell(product, 'Ulrike', [PYTHON, DEMO])
  await sell(product, 'Tom', [DEMO], 'tom at example.com')
  await sell(product, 'Grace', [PYTHON, FULL])
  await sell(product, 'Victor', ['course-v1:Lernito+PY102+2026'])
}

/** Inserts the counters of the previous days, as the service would have written them. */
function rememberMonth(folder: string): void {
  const database = new DatabaseSync(`${folder}/lernito.db`)
  const insert = database.prepare('insert or ignore into counters (day, name, count) values (?, ?, ?)')
  for (let ago = 1; ago < 30; ago++) {
    const day = new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10)
    const received = 14 + ((ago * 7) % 11) + (ago % 7 < 2 ? 9 : 0)
    const attention = ago % 9 === 4 ? 2 : 0
    const counts = {
      received,
      enrolled: received - attention - (ago % 5 === 0 ? 1 : 0),
      needs_attention: attention,
      seconds_to_enrollment_le_1: received - 3,
      seconds_to_enrollment_le_8: 2,
    }
    for (const [name, count] of Object.entries(counts)) insert.run(day, name, count)
  }
  database.close()
}

async function picture(page: Page, name: string): Promise<void> {
  const path = `${FOLDER}${name}.png`
  await page.screenshot({ path, fullPage: true, animations: 'disabled' })
  process.stdout.write(`${path}: ${Math.ceil(statSync(path).size / 1024)} KB\n`)
}

async function takePictures(browser: Browser, product: WithConsole): Promise<void> {
  const { page } = await openConsole(browser, product, DESKTOP)
  await picture(page, 'overview')
  await page.goto(`${product.console}/deliveries`)
  await picture(page, 'deliveries')
  await page.getByRole('link', { name: 'grace@example.com' }).click()
  await page.getByRole('heading', { level: 1, name: 'grace@example.com' }).waitFor()
  await picture(page, 'delivery')
  await page.goto(`${product.console}/signature`)
  await page.getByLabel('Body').fill(`{"email": "alice@example.com", "courseIds": ["${DEMO}"]}`)
  await page.getByLabel('X-Lernito-Signature').fill('5f'.repeat(32))
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByRole('heading', { name: 'The signature does not match' }).waitFor()
  await picture(page, 'signature')

  const phone = await openConsole(browser, product, PHONE)
  await product.lms.faults([{ status: 503 }])
  await sell(product, 'Wendy', [DEMO])
  await phone.page.getByText(/has been unavailable/).waitFor({ timeout: 20_000 })
  await picture(phone.page, 'outage-phone-dark')
}

/** `npm run pictures` takes the pictures of the console for the documents. */
mkdirSync(FOLDER, { recursive: true })
const product = await startWithConsole({ lms: { bulk: false }, env: { LERNITO_LMS_CALLS_PER_MINUTE: '110' } })
try {
  await sellAll(product)
  rememberMonth(product.folder)
  const browser = await launchBrowser()
  await takePictures(browser, product)
  await browser.close()
} finally {
  await product.stop()
}
