import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LEARNER, PASSWORD, STAFF } from '../console/harness.ts'
import { createVisitor } from '../console/visitor.ts'
import { until } from '../service/process.ts'
import { assertKeyboard } from './checks.ts'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'

const { product, browser } = await startBrowsing()
await product.sell({ email: 'alice@example.com' })

/** Sign-ins within a second share what is known of the LMS. */
const untilSignInGoes = (lms: 'up' | 'down'): Promise<boolean> =>
  until(`a sign-in that finds the LMS ${lms}`, async () => {
    const { status } = await createVisitor().get(`${product.console}/sign-in`)
    return (status === 303) === (lms === 'up') || undefined
  })

test('in a browser that was never here, a learner reads why they can’t sign in', async () => {
  const page = await (await browser.newContext({ timezoneId: 'Asia/Tokyo' })).newPage()
  await page.goto(`${product.console}/`)
  await page.getByLabel('E-mail address or username').fill(LEARNER)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/callback?*')
  // The page tells the zone. Loaded again, it would ask for the result of a sign-in that is used up.
  await until(
    'the zone',
    async () => (await page.context().cookies()).some(({ name }) => name === 'lernito_zone') || undefined,
  )
  await page.waitForLoadState('networkidle')
  assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'This account is not staff')
})

for (const { name, ...look } of LOOKS) {
  test(`a learner comes from the refusal to the sign-in of an operator by clicking: ${name}`, async (t) => {
    t.after(() => product.lms.noFaults())
    const context = await browser.newContext(look)
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    const signIn = async (login: string): Promise<void> => {
      await page.getByLabel('E-mail address or username').fill(login)
      await page.getByLabel('Password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    await product.lms.faults([{ status: 503 }])
    await untilSignInGoes('down')
    await page.goto(`${product.console}/people`)
    await page.getByRole('heading', { name: 'The LMS does not answer' }).waitFor()
    await assertAccessible(page, `the outage ${name}`)
    await product.lms.noFaults()
    await untilSignInGoes('up')
    await page.getByRole('link', { name: 'Try again' }).click()
    await signIn(LEARNER)
    await page.getByRole('heading', { name: 'This account is not staff' }).waitFor()
    await assertKeyboard(page, `the refusal ${name}`)
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
  const lines = await page
    .locator('#checks .state, .check-id')
    .evaluateAll((all) => all.map((one) => one.getClientRects().length))
  assert.ok(lines.length > 20 && lines.every((count) => count === 1), 'no word is broken')
})
