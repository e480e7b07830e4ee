import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as playwright } from 'playwright-core'

const INSTALLED = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/**
 * Arguments of the packaged Chromium that the tests leave out: in a single process, contexts share their cookies, and
 * without web security, a form does not name its origin.
 */
const UNWANTED = ['--single-process', '--no-zygote', '--disable-web-security', '--allow-running-insecure-content']

/** Starts a real browser: on Linux the Chromium that npm ci installs, on other systems an installed Chrome. */
export async function launchBrowser(): Promise<Browser> {
  if (process.platform === 'linux') {
    const args = chromium.args.filter((argument) => !UNWANTED.includes(argument))
    return launchWhenUnpacked({ executablePath: await chromium.executablePath(), args, headless: true })
  }
  const executablePath = INSTALLED.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error('The browser tests need Google Chrome on this system: install it.')
  return playwright.launch({ executablePath, headless: true })
}

/** Another test file may be unpacking the same Chromium. Until it finishes, the system refuses to run the file. */
async function launchWhenUnpacked(options: Parameters<typeof playwright.launch>[0]): Promise<Browser> {
  for (const waitUntil = performance.now() + 30_000; ; await delay(200)) {
    try {
      return await playwright.launch(options)
    } catch (error) {
      const isBeingWritten = error instanceof Error && error.message.includes('ETXTBSY')
      if (!isBeingWritten || performance.now() > waitUntil) throw error
    }
  }
}
