import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startSandbox } from '../docs/running-sandbox.ts'
import { cleanupOfFile, ROOT, run, temporaryFolder } from '../service/process.ts'
import { launchBrowser } from './browser.ts'

const browser = await launchBrowser()
const t = cleanupOfFile()
after(() => browser.close())

async function signIn(page: Page, login: string, password: string): Promise<void> {
  await page.getByLabel('E-mail address or username').fill(login)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

test('the steps that the sandbox prints work in their order, in one terminal and one browser', async () => {
  const { welcome: printed } = await startSandbox({ t })
  const [before = '', first = '', second = '', third = ''] = printed.split(/^\d\. /m)
  const source = before.match(/^ {2}(\. .*)$/m)?.[1] ?? ''
  const npm = { npm_config_cache: temporaryFolder(t), npm_config_offline: 'true' }
  /** Runs the command of a step as it is printed. */
  const follow = async (step: string): Promise<string> => {
    const [command = ''] = step.match(/^ {2}npx (?:.*\\\n)*.*$/m) ?? []
    const script = `${source}\n${command}`
    const { code, stdout, stderr } = await run({ command: ['sh', '-c'], args: [script], cwd: ROOT, env: npm })
    assert.equal(code, 0, `${stdout}${stderr}`)
    return stdout
  }
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(60_000)
  const courses = async (): Promise<string[]> => {
    await page.waitForLoadState()
    return page.locator('ul.courses li').allTextContents()
  }
  const places = (step: string): string[] => [...step.matchAll(/http:\S+$/gm)].map(([url]) => url)
  const [, alice = '', password = ''] = first.match(/ as (\S+) with the password (\S+)$/m) ?? []

  await follow(first)
  await page.goto(places(first)[0] ?? '')
  await signIn(page, alice, password)
  assert.match((await courses()).join(), /Demonstration Course/)

  await follow(second)
  await page.goto(places(second)[0] ?? '')
  await page.getByLabel('E-mail address').fill('newcomer@example.com')
  await page.getByLabel('Public username').fill('newcomer')
  await page.getByLabel('Full name').fill('New Comer')
  await page.getByLabel('Password').fill('a-Long-1-password')
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('link', { name: 'Activate the account' }).click()
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await signIn(page, 'newcomer@example.com', 'a-Long-1-password')
  assert.match((await courses()).join(), /Demonstration Course/)

  assert.equal((await follow(third)).match(/@example\.com/g)?.length, 2, 'both sales are listed')
  const [out = '', console = ''] = places(third)
  await page.goto(out)
  await page.goto(console)
  const [, operator = '', theirs = ''] = third.match(/sign in as (\S+) with the password (\S+)$/m) ?? []
  await signIn(page, operator, theirs)
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})
