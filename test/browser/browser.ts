import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as playwright } from 'playwright-core'

const INSTALLED = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/**
 * Arguments of the packaged Chromium that the tests leave out: in a single process, contexts share their cookies, and
 * without web security, a form does not name its origin. WebGL, which no page uses, would draw every frame in a GPU
 * that the processor plays: a third of all that a test computes.
 */
const UNWANTED = [
  '--single-process',
  '--no-zygote',
  '--disable-web-security',
  '--allow-running-insecure-content',
  '--in-process-gpu',
  '--ignore-gpu-blocklist',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
]

/** Starts a real browser: on Linux the Chromium that npm ci installs, on other systems an installed Chrome. */
export async function launchBrowser(): Promise<Browser> {
  if (process.platform === 'linux') {
    const args = [...chromium.args.filter((argument) => !UNWANTED.includes(argument)), '--disable-gpu']
    return playwright.launch({ executablePath: unpackedChromium(), args, headless: true })
  }
  const executablePath = INSTALLED.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error('The browser tests need Google Chrome on this system: install it.')
  return playwright.launch({ executablePath, headless: true })
}

/**
 * The packaged Chromium unpacks into the temporary folder, and takes whatever it finds there for complete. So each
 * test file that finds none unpacks it into a folder of its own, which gets its name when it is complete.
 */
function unpackedChromium(): string {
  const folder = join(import.meta.dirname, '../../node_modules/.cache/chromium')
  const program = join(folder, 'chromium')
  if (existsSync(program)) return program
  mkdirSync(dirname(folder), { recursive: true })
  const own = mkdtempSync(`${folder}-`)
  const unpack = "import chromium from '@sparticuz/chromium'; await chromium.executablePath()"
  const env = { ...process.env, TMPDIR: own }
  execFileSync(process.execPath, ['--input-type=module', '--eval', unpack], { env, cwd: import.meta.dirname })
  try {
    renameSync(own, folder)
  } catch (error) {
    if (!existsSync(program)) throw error
    rmSync(own, { recursive: true }) // another test file was faster
  }
  return program
}
