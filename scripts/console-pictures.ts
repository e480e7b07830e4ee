import { mkdirSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { defaultWorld } from '../sandbox/default-world.ts'
import { DEMO_SEED, planPast, worldAfter } from '../sandbox/demo/plan.ts'
import { sellToday } from '../sandbox/demo/sell-today.ts'
import { writePast } from '../src/cli/sandbox-past.ts'
import { launchBrowser } from '../test/browser/browser.ts'
import { openConsole } from '../test/browser/console.ts'
import { startWithConsole, type WithConsole } from '../test/console/harness.ts'
import { exchange, SECRET, signed } from '../test/harness.ts'
import { until } from '../test/service/process.ts'

const FOLDER = fileURLToPath(new URL('../docs/pictures', import.meta.url))
const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const DESKTOP = { viewport: { width: 1280, height: 880 }, timezoneId: 'Europe/Berlin' }
const PHONE = { viewport: { width: 390, height: 780 }, timezoneId: 'Europe/Berlin', colorScheme: 'dark' as const }

/** Sends a sale as the shop does. */
async function sell(product: WithConsole, name: string, courseIds: readonly string[]): Promise<void> {
  const body = JSON.stringify({
    email: `${name.toLowerCase()}@example.com`,
    name,
    family: 'Example',
    username: `${name.toLowerCase()}26`,
    courseIds,
  })
  await exchange({ url: product.webhook, headers: signed(body), body })
}

async function picture(page: Page, name: string): Promise<void> {
  const path = `${FOLDER}/${name}.png`
  await page.screenshot({ path, fullPage: true, animations: 'disabled' })
  process.stdout.write(`${path}: ${Math.ceil(statSync(path).size / 1024)} KB\n`)
}

async function takePictures(browser: Browser, product: WithConsole): Promise<void> {
  const { page } = await openConsole(browser, product, DESKTOP)
  await until('the courses by name', async () => {
    await page.reload()
    return (await page.getByText('Demonstration Course').count()) > 0 || undefined
  })
  await picture(page, 'overview')
  await page.goto(`${product.console}/deliveries`)
  await picture(page, 'deliveries')
  await page.getByRole('link', { name: 'grace@example.com' }).click()
  await page.getByRole('heading', { level: 1, name: 'Grace Example' }).waitFor()
  await picture(page, 'delivery')
  await page.goto(`${product.console}/signature`)
  await page.getByLabel('Body').fill(`{"email": "alice@example.com", "courseIds": ["${DEMO}"]}`)
  await page.getByLabel('X-Lernito-Signature').fill('5f'.repeat(32))
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByRole('heading', { name: 'The signature is refused' }).waitFor()
  await picture(page, 'signature')

  const phone = await openConsole(browser, product, PHONE)
  await product.lms.faults([{ status: 503 }])
  await sell(product, 'Wendy', [DEMO])
  await phone.page.getByText(/LMS down for/).waitFor({ timeout: 20_000 })
  await picture(phone.page, 'outage-phone-dark')
}

/** `npm run pictures` takes the pictures of the console for the documents. */
mkdirSync(FOLDER, { recursive: true })
const folder = mkdtempSync(join(tmpdir(), 'lernito-pictures-'))
const past = planPast({ seed: DEMO_SEED, now: Date.now() })
await writePast({ url: `sqlite:${join(folder, 'lernito.db')}`, sales: past, seed: DEMO_SEED })
const product = await startWithConsole({
  folder,
  catalogueMs: 1_000,
  lms: { bulk: false, modify: false, world: worldAfter(defaultWorld, past) },
  env: { LERNITO_LMS_CALLS_PER_MINUTE: '110' },
})
try {
  await sellToday({ webhook: product.webhook, secret: SECRET })
  const browser = await launchBrowser()
  await takePictures(browser, product)
  await browser.close()
} finally {
  await product.stop()
}
