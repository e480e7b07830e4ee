import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../harness.ts'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'

const { product, browser } = await startBrowsing()
const PERSON = 'alice@example.com'
await product.sell({ email: PERSON })
await product.sell({ email: PERSON, courseIds: ['course-v1:Lernito+PY101+2026', 'course-v1:Lernito+Honor+2026'] })
await product.sell({ email: PERSON, courseIds: ['course-v1:No+Such+Course'] })

for (const { name, ...look } of LOOKS) {
  test(`an operator finds a person, checks the sales and erases another person: ${name}`, async () => {
    const { page, wrong } = await openConsole(browser, product, look)
    // On a phone, the menu is behind a button, and Escape closes it.
    const menu = page.getByRole('button', { name: 'Menu' })
    if (await menu.isVisible()) {
      await menu.click()
      await assertAccessible(page, `the menu ${name}`)
      await page.keyboard.press('Escape')
      assert.equal(await page.getByRole('link', { name: 'People' }).count(), 0)
      await menu.click()
    }
    await page.getByRole('link', { name: 'People' }).click()
    await assertAccessible(page, `the search ${name}`)
    await page.getByLabel('Email address').fill('not an address')
    await page.getByRole('button', { name: 'Show the person' }).click()
    await page.getByText('Enter one whole email address').waitFor()
    await assertAccessible(page, `the refused search ${name}`)
    await page.getByLabel('Email address').fill(PERSON)
    await page.getByRole('button', { name: 'Show the person' }).click()
    await page.locator('.intro', { hasText: PERSON }).waitFor()
    await page.getByRole('heading', { name: 'Active account in the LMS' }).waitFor()
    assert.equal(await page.getByRole('row').count(), 4)
    assert.doesNotMatch(page.url(), /alice|@|%40/)
    await page.getByRole('button', { name: 'Check now' }).click()
    await page.getByText('The sales below show what was found').waitFor()
    await assertAccessible(page, `the person ${name}`)

    const email = `leaves-${LOOKS.findIndex((one) => one.name === name)}@example.com`
    await product.sell({ email, courseIds: [DEMO] })
    await page.goto(`${product.console}/deliveries`)
    await page.locator('#filters[data-htmx-powered]').waitFor() // what is typed before is not searched for yet
    await page.getByLabel('Search deliveries').fill(email)
    await page.getByRole('button', { name: `Show everything about ${email}` }).click()
    await page.getByRole('heading', { name: 'No account in the LMS' }).waitFor()
    await page.getByRole('button', { name: 'Erase this person…' }).click()
    await page.getByRole('heading', { name: 'What is erased' }).waitFor()
    await assertAccessible(page, `the order ${name}`)
    await page.getByLabel(`To confirm, type ${email}`).fill(PERSON)
    await page.getByRole('button', { name: 'Erase' }).click()
    await page.getByText('Nothing changed').waitFor()
    await assertAccessible(page, `the refused order ${name}`)
    await page.getByLabel('Also cancel courses that wait').check()
    await page.getByLabel(`To confirm, type ${email}`).fill(email)
    await page.getByRole('button', { name: 'Erase' }).click()
    await page.getByText('Deliveries erased: 1.').waitFor()
    await page.getByText('Courses canceled that waited for this address in the LMS: 1.').waitFor()
    await assertAccessible(page, `the result ${name}`)
    await page.getByRole('link', { name: 'See the changes' }).click()
    await page.getByText('Erased a person').first().waitFor()
    assert.deepEqual(wrong, [])
  })
}
