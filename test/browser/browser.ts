import { existsSync } from 'node:fs'
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as playwright } from 'playwright-core'

const INSTALLED = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** A real Chromium: on Linux the one that comes with npm ci, elsewhere an installed Chrome. */
export async function launchBrowser(): Promise<Browser> {
  if (process.platform === 'linux') {
    return playwright.launch({ executablePath: await chromium.executablePath(), args: chromium.args, headless: true })
  }
  const executablePath = INSTALLED.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error('The browser tests need Google Chrome on this system: install it.')
  return playwright.launch({ executablePath, headless: true })
}
