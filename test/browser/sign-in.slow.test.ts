import { after, test } from 'node:test'
import { LEARNER, PASSWORD, STAFF, startWithConsole } from '../console/harness.ts'
import { createVisitor } from '../console/visitor.ts'
import { until } from '../service/process.ts'
import { launchBrowser } from './browser.ts'
import { assertAccessible, LOOKS, openConsole } from './console.ts'

const product = await startWithConsole()
const browser = await launchBrowser()
after(async () => {
  await browser.close()
  await product.stop()
})
await product.sell({ email: 'alice@example.com' })

for (const { name, ...look } of LOOKS) {
  test(`a learner comes from the refusal to the sign-in of an operator by clicking: ${name}`, async (t) => {
    t.after(() => product.lms.noFaults())
    const context = await browser.newContext(look)
    const page = await context.newPage()
    page.setDefaultTimeout(10_000)
    const signIn = async (login: string): Promise<void> => {
      await page.getByLabel('E-mail address or username').fill(login)
      await page.getByLabel('Password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    await product.lms.faults([{ status: 503 }])
    await page.goto(`${product.console}/people`)
    await page.getByRole('heading', { name: 'The LMS does not answer' }).waitFor()
    await assertAccessible(page, `the outage ${name}`)
    await product.lms.noFaults()
    // Sign-ins within a second share what is known of the LMS.
    await until('the sign-in', async () => {
      const { status } = await createVisitor().get(`${product.console}/sign-in`)
      return status === 303 || undefined
    })
    await page.getByRole('link', { name: 'Try again' }).click()
    await signIn(LEARNER)
    await page.getByRole('heading', { name: 'This account is not staff' }).waitFor()
    await assertAccessible(page, `the refusal ${name}`)
    await page.getByRole('link', { name: 'Sign out of the LMS and sign in again' }).click()
    await signIn(STAFF)
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await context.close()
  })
}

test('the checks run without JavaScript', async () => {
  const { page } = await openConsole(browser, product, { javaScriptEnabled: false })
  await page.getByRole('link', { name: 'Setup' }).click()
  await page.getByRole('button', { name: 'Run the checks' }).click()
  await page.getByText('LERNITO_LMS_CALLS_PER_MINUTE is 0').first().waitFor()
  await page.getByText('All checks').click()
  await page.getByText('lms.token', { exact: true }).waitFor()
})
