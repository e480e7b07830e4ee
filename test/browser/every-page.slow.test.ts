import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { consoleRoutes } from '../console/routes.ts'
import { createVisitor } from '../console/visitor.ts'
import { startChat } from '../operators/notify/chat.ts'
import { until } from '../service/process.ts'
import { EVENTS_SECRET, startReceiver, statusAnswer } from '../shop/events/receiver.ts'
import { assertCalm, assertFits, assertForms, assertKeyboard, assertWhole, openAll, outlineOf } from './checks.ts'
import { assertAccessible, LOOKS, openConsole, startBrowsing } from './console.ts'
import { LONG_ADDRESS, LONG_COURSE, sellEverything } from './sold.ts'

const HOUR_MS = 3_600_000
const clock = { offset: 0 }
const receiver = await startReceiver({ after })
receiver.answer(statusAnswer(503))
const chat = await startChat({ after })
const { product, browser } = await startBrowsing({
  env: {
    LERNITO_EVENTS_URL: receiver.url,
    LERNITO_EVENTS_SECRET: EVENTS_SECRET,
    LERNITO_NOTIFY_URL: chat.url,
  },
  now: () => Date.now() + clock.offset,
  catalogueMs: 1_000,
})
const { states, failed, replay, sell, someone } = await sellEverything(product)
const outdated = await sell('changed@example.com', [LONG_COURSE])
// Pages name courses as soon as the LMS has told its own.
await until('the courses of the LMS', async () =>
  /courses of the LMS are not known yet/.test((await someone.see('/courses')).text) ? undefined : true,
)
const { page, wrong } = await openConsole(browser, product, { timezoneId: 'UTC' })
const plain = (await openConsole(browser, product, { javaScriptEnabled: false })).page

interface Case {
  readonly name: string
  readonly path: string
  /** What the page shows is the answer to a form. */
  readonly steps?: (on: Page) => Promise<unknown>
}

const press = (on: Page, name: string) => on.getByRole('button', { name, exact: true }).click()

/** Shows an address to which nothing was sold. */
async function showNobody(on: Page, email: string): Promise<void> {
  await on.getByLabel('Email address').fill(email)
  await press(on, 'Show the person')
  await on.getByRole('heading', { name: 'No account in the LMS' }).waitFor()
}

/** Orders the erasure of an address, types one to confirm it, and waits for what it came to. */
const erase = (typed: string, said: string) => async (on: Page) => {
  await showNobody(on, 'nobody@example.com')
  await press(on, 'Erase this person…')
  await on.getByLabel(/^To confirm, type/).fill(typed)
  await press(on, 'Erase')
  await on.getByText(said).waitFor()
}

const PAGES: readonly Case[] = [
  { name: 'the overview', path: '/' },
  { name: 'the courses', path: '/courses' },
  { name: 'the list', path: '/deliveries' },
  // The list above has a row of every state. Of the tabs, these two have columns and actions of their own.
  ...['needs_attention', 'pre_enrolled'].map((state) => ({
    name: `the tab of ${state}`,
    path: `/deliveries?state=${state}`,
  })),
  {
    name: 'the list with every filter',
    path: `/deliveries?${new URLSearchParams({ q: LONG_COURSE, state: 'needs_attention', cause: 'course.missing', about: LONG_COURSE, from: '2026-01-01', to: '2036-01-01' })}`,
  },
  { name: 'the list with an address', path: `/deliveries?q=${encodeURIComponent(LONG_ADDRESS)}` },
  { name: 'the list of a replay', path: `/deliveries?replay=${replay}` },
  { name: 'an empty list', path: '/deliveries?q=nobody@' },
  ...Object.entries(states).map(([state, id]) => ({ name: `a delivery that is ${state}`, path: `/deliveries/${id}` })),
  { name: 'the correction', path: `/deliveries/${states.needs_attention}/correct` },
  {
    name: 'the preview of a correction',
    path: `/deliveries/${states.pre_enrolled}/correct`,
    steps: async (on) => {
      await on.getByLabel('Email').fill('retired@example.com') // the longest statement about an account
      await on.getByLabel('Course keys').fill(`${LONG_COURSE}s`)
      await press(on, 'Preview')
      await on.getByRole('heading', { name: 'What happens' }).waitFor()
    },
  },
  {
    name: 'an order about a delivery that somebody else has changed',
    path: `/deliveries/${outdated}/changed`, // without an order, it leads to the delivery
    steps: async (on) => {
      await on.getByText('More', { exact: true }).click()
      await on.getByText('Mark as handled…').click()
      await on.getByLabel('Paid back').check()
      await on.getByLabel('What was done').fill(`refunded ${LONG_COURSE}`)
      await someone.send(`/deliveries/${outdated}/replay`)
      await press(on, 'Mark as handled')
      await on.getByRole('heading', { level: 1, name: 'This delivery has changed' }).waitFor()
    },
  },
  { name: 'the withdrawal', path: `/deliveries/${states.pre_enrolled}/withdraw` },
  {
    name: 'the withdrawal of nothing',
    path: `/deliveries/${states.pre_enrolled}/withdraw`,
    steps: async (on) => {
      await on.getByRole('checkbox').first().uncheck()
      await press(on, 'Withdraw')
      await on.getByText('Select at least one course').waitFor()
    },
  },
  {
    name: 'a refused test sale',
    path: '/test-sale',
    steps: async (on) => {
      await on.getByLabel('Email').fill(`${LONG_ADDRESS}@`)
      await on.getByLabel('Course keys').fill(LONG_COURSE)
      await press(on, 'Make the test sale')
      await on.getByText('email: Enter a valid email address.').waitFor()
    },
  },
  { name: 'the test sale', path: '/test-sale' },
  { name: 'the preview of a replay', path: '/replay?state=needs_attention' },
  { name: 'the preview of a replay of nothing', path: '/replay?q=nobody@' },
  {
    name: 'the confirmation of a bulk correction',
    path: `/correct?cause=course.missing&about=${encodeURIComponent(LONG_COURSE)}&enroll_in=${encodeURIComponent('course-v1:edX+DemoX+Demo_Course')}`,
    steps: async (on) => {
      await on.getByRole('button', { name: /^Correct/ }).click()
      await on.getByRole('heading', { name: /^Enroll/ }).waitFor()
    },
  },
  { name: 'the order to handle selected deliveries', path: `/handled?id=${failed}` },
  { name: 'the result of a replay', path: `/replays/${replay}` },
  { name: 'the search for people', path: '/people' },
  {
    name: 'a person without a sale',
    path: '/people',
    steps: (on) => showNobody(on, `x${LONG_ADDRESS.slice(1)}`),
  },
  {
    name: 'the search for a person by a part of the address',
    path: '/people',
    steps: async (on) => {
      await on.getByLabel('Email address').fill('nobody')
      await press(on, 'Show the person')
      await on.getByText('Enter one whole email address').waitFor()
    },
  },
  { name: 'an erasure that is not confirmed', path: '/people', steps: erase('alice@example.com', 'Nothing changed.') },
  { name: 'an erasure', path: '/people', steps: erase('nobody@example.com', 'Deliveries erased: 0.') },
  { name: 'a person', path: `/people/${states.pre_enrolled}` },
  {
    name: 'the order to forget a person',
    path: `/people/${states.pre_enrolled}`,
    steps: async (on) => {
      await press(on, 'Erase this person…')
      await on.getByRole('heading', { name: 'What is erased' }).waitFor()
    },
  },
  { name: 'the order to forget nobody', path: '/people/forget' },
  { name: 'the changes', path: '/changes' },
  { name: 'the incidents', path: '/incidents' },
  { name: 'the events', path: '/events' },
  { name: 'the refused webhooks', path: '/refused' },
  { name: 'the signature checker', path: '/signature' },
  {
    name: 'a wrong signature',
    path: '/signature',
    steps: async (on) => {
      await on.getByLabel('Body').fill(JSON.stringify({ email: LONG_ADDRESS }))
      await on.getByLabel('Signature').fill('ab'.repeat(32))
      await press(on, 'Check')
      await on.locator('#result h2').first().waitFor()
    },
  },
  { name: 'the setup', path: '/setup' },
  {
    name: 'the checks of the setup',
    path: '/setup',
    steps: async (on) => {
      await press(on, 'Run the checks')
      await on.getByText('All checks').waitFor()
    },
  },
  {
    name: 'the test notification',
    path: '/setup',
    steps: async (on) => {
      await press(on, 'Send a test notification')
      await on.getByText('The receiver answered 200. If the text').waitFor()
    },
  },
  { name: 'the page after signing out', path: '/signed-out' },
  { name: 'a lost sign-in', path: '/callback?code=1&state=2' },
  { name: 'an unknown page', path: '/nothing/here' },
  { name: 'a damaged address', path: '/deliveries?after=damaged' },
]

const IN_AN_OUTAGE: readonly Case[] = [
  { name: 'the sign-in', path: '/sign-in' },
  { name: 'the overview', path: '/' },
  { name: 'the tab of queued', path: '/deliveries?state=queued' },
  {
    name: 'a delivery that is queued',
    path: '/deliveries?q=waits@',
    steps: (on) => on.getByRole('row').getByRole('link').click(),
  },
  { name: 'the incidents', path: '/incidents' },
  { name: 'a person', path: `/people/${states.pre_enrolled}` },
]

/** Checks a page in each width and color scheme, with the keyboard alone, without motion and without JavaScript. */
async function check({ name, path, steps }: Case): Promise<void> {
  await page.setViewportSize(LOOKS[0].viewport)
  await page.goto(product.console + path)
  await steps?.(page)
  if (steps === undefined) await assertKeyboard(page, name)
  await openAll(page)
  // Without JavaScript right after it, because a page says how long an outage lasts.
  const outline = await outlineOf(page)
  await plain.goto(product.console + path)
  await steps?.(plain)
  assert.deepEqual(await outlineOf(plain), outline, `${name} without JavaScript`)
  for (const { name: look, viewport } of LOOKS.toReversed()) {
    await plain.setViewportSize(viewport)
    await assertWhole(plain, `${name} without JavaScript, ${look}`)
  }
  for (const { name: look, viewport, colorScheme } of LOOKS) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    await assertAccessible(page, `${name}, ${look}`)
  }
  await assertFits(page, name)
  await assertCalm(page, name)
  await assertForms(plain, name)
}

for (const one of PAGES) test(`everyone can use ${one.name}`, () => check(one))

test('the note of a handled sale has at most three lines in the list, however long it is', async () => {
  for (const { viewport } of LOOKS) {
    await page.setViewportSize(viewport)
    await page.goto(`${product.console}/deliveries?state=handled`)
    const heights = await page.locator('.outcome').evaluateAll((all) => all.map((one) => one.clientHeight))
    assert.ok(heights.length > 0 && heights.every((height) => height < 70), `${heights} at ${viewport.width} px`)
  }
})

describe('while the LMS is down', async () => {
  test('an outage begins', async () => {
    await product.lms.faults([{ status: 503 }])
    await sell('waits@example.com')
    await until('the outage', async () => {
      await page.goto(`${product.console}/`)
      return (await page.getByText(/LMS down for/).count()) > 0 || undefined
    })
    // Sign-ins within a second share what is known of the LMS.
    const signIn = `${product.console}/sign-in`
    await until('the sign-in', async () => (await createVisitor().get(signIn)).status === 503 || undefined)
  })
  for (const one of IN_AN_OUTAGE) test(`everyone can use ${one.name}`, () => check(one))

  test('everyone can use the refusal of a form while the LMS can’t confirm the operator', async () => {
    clock.offset = HOUR_MS + 60_000
    const steps = async (on: Page): Promise<void> => {
      await press(on, 'Replay')
      await on.getByRole('heading', { level: 1, name: 'The LMS does not answer' }).waitFor()
    }
    await check({ name: 'the refusal', path: `/deliveries/${failed}`, steps })
  })
})

test('the browser reports no error but those that a page is about', () => {
  assert.deepEqual(
    wrong.filter((text) => !text.startsWith('Failed to load resource')),
    [],
  )
})

/** Their answer is not a page: the way to the overview, a list to download, a file, and a part of each page. */
const NO_PAGES = ['', '/deliveries.csv', '/static/:name', '/status']

test('each page of the console is in this file', () => {
  const seen = [...PAGES, ...IN_AN_OUTAGE].map(({ path }) => new URL(product.console + path).pathname)
  const unseen = consoleRoutes(product).filter(({ path, methods }) => {
    const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`)
    return methods.includes('GET') && !seen.some((one) => pattern.test(one))
  })
  assert.deepEqual(unseen.map(({ path }) => path.replace('/lernito/console', '')).sort(), NO_PAGES)
})
