import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { operator, STAFF } from '../console/harness.ts'
import { until } from '../service/process.ts'
import { openConsole, startBrowsing } from './console.ts'

/** An LMS may allow such usernames: ENABLE_UNICODE_USERNAME. */
const ALI = 'علی_رضایی'
const MISSING = 'course-v1:Lernito+Missing+2026'
const people = defaultWorld.people.map((one) => (one.email === STAFF ? { ...one, username: ALI } : one))
const { product, browser, open, idOf } = await startBrowsing({ lms: { world: { ...defaultWorld, people } } })
await idOf('ali@example.com', [MISSING])
const someone = await operator(product)
const { page } = await openConsole(browser, product, { locale: 'fa-IR', timezoneId: 'Asia/Tehran' })

/** In the browser: where a text begins on the screen, from the left. */
const placesOf = async (on: Page, selector: string, texts: readonly string[]): Promise<number[]> =>
  z.array(z.number()).parse(
    await on.evaluate(`(() => {
      const walker = document.createTreeWalker(document.querySelector(${JSON.stringify(selector)}), NodeFilter.SHOW_TEXT)
      const nodes = []
      while (walker.nextNode()) nodes.push(walker.currentNode)
      return ${JSON.stringify(texts)}.map((text) => {
        const node = nodes.find(({ data }) => data.includes(text))
        const range = new Range()
        range.setStart(node, node.data.indexOf(text))
        range.setEnd(node, node.data.indexOf(text) + text.length)
        return range.getBoundingClientRect().left
      })
    })()`),
  )

const assertOrder = async (selector: string, texts: readonly string[]): Promise<void> => {
  const places = await placesOf(page, selector, texts)
  assert.deepEqual(
    texts.toSorted((a, b) => (places[texts.indexOf(a)] ?? 0) - (places[texts.indexOf(b)] ?? 0)),
    texts,
  )
}

test('the day stands behind the Arabic name of who acknowledged a cause', async () => {
  await open(page, '/')
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByText('Acknowledged by').waitFor()
  const day = await page.locator('.mark time').textContent()
  await assertOrder('.mark', ['Acknowledged by', ALI, (day ?? '').slice(0, 2).trim(), 'Mark as resolved'])
})

test('the number of a replay that runs does not change places with an Arabic name', async () => {
  await until('a replay that runs', async () => {
    await someone.send('/replay', { q: 'ali@' })
    await open(page, '/changes')
    return (await page.getByRole('heading', { name: 'Still running' }).count()) > 0 || undefined
  })
  await assertOrder('main ul', ['of 1 replayed', ALI, new Intl.DateTimeFormat('en', { year: 'numeric' }).format()])
  assert.match((await page.locator('main ul').textContent()) ?? '', /^[01] of 1 replayed/)
})

test('a note from right to left is written in its own order, and reads so afterwards', async () => {
  const note = 'بازپرداخت (order 7) – آذر!'
  await open(page, `/deliveries/${await idOf('note@example.com', [MISSING])}`)
  await page.getByText('More', { exact: true }).click()
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('Paid back').check()
  await page.getByLabel('What was done').fill(note)
  assert.equal(await page.evaluate("getComputedStyle(document.querySelector('#note')).direction"), 'rtl')
  await page.getByRole('button', { name: 'Mark as handled' }).click()
  await page.locator('.truth').getByText('paid back by').waitFor()
  await assertOrder('.truth', ['“', 'آذر', 'order 7', 'بازپرداخت', 'paid back by', ALI])
})
