import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { operator } from '../console/harness.ts'
import { consoleRoutes } from '../console/routes.ts'
import { DEMO } from '../harness.ts'
import { startChat } from '../operators/notify/chat.ts'
import { until } from '../service/process.ts'
import { EVENTS_SECRET, startReceiver, statusAnswer } from '../shop/events/receiver.ts'
import { openConsole, startBrowsing } from './console.ts'

const MISSING = 'course-v1:Lernito+Missing+2026'
const CURSE = 'course-v1:edX+DemoX+Demo_Curse'
const receiver = await startReceiver({ after })
const chat = await startChat({ after })
const env = { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET, LERNITO_NOTIFY_URL: chat.url }
const { product, browser, open, idOf } = await startBrowsing({ env, catalogueMs: 1_000 })
const someone = await operator(product)

/** The paths to which forms were sent. */
const sentTo = new Set<string>()

interface Form {
  readonly name: string
  /** Opens the page of the form and sends it. */
  readonly send: (page: Page, user: string) => Promise<unknown>
  /** What is on the page that it leads to, also after a return to this page. */
  readonly shows: (page: Page, user: string) => Locator
  /** With JavaScript, the result becomes a part of the page that the form is on. */
  readonly isScripted?: true
}

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const heading = (name: string) => (page: Page) => page.getByRole('heading', { name, exact: true }).first()
const text = (words: string | RegExp) => (page: Page) => page.getByText(words).first()
const buyer = (page: Page) => page.getByRole('heading', { level: 1, name: 'New Comer' })
const more = (page: Page) => page.getByText('More', { exact: true }).click()

/** Opens a delivery and writes a note, which is not sent yet. */
async function writeNote(page: Page, id: string): Promise<void> {
  await open(page, `/deliveries/${id}`)
  await more(page)
  await page.getByText('Mark as handled…').click()
  await page.getByLabel('Paid back').check()
  await page.getByLabel('What was done').fill('refunded, order 1182')
}

const FORMS: readonly Form[] = [
  {
    name: 'a replay',
    send: async (page, user) => {
      await open(page, `/deliveries/${await idOf(`${user}-replay@example.com`, [MISSING])}`)
      await press(page, 'Replay')
    },
    shows: buyer,
  },
  {
    name: 'a check',
    send: async (page, user) => {
      await open(page, `/deliveries/${await idOf(`${user}-check@example.com`)}`)
      await press(page, 'Check now')
    },
    shows: text('Not registered yet'),
  },
  {
    name: 'a note',
    send: async (page, user) => {
      await writeNote(page, await idOf(`${user}-note@example.com`, [MISSING]))
      await press(page, 'Mark as handled')
    },
    shows: text(/“refunded, order 1182”, paid back by admin at /),
  },
  {
    name: 'a note about a delivery that somebody else has changed',
    send: async (page, user) => {
      const id = await idOf(`${user}-changed@example.com`, [MISSING])
      await writeNote(page, id)
      await someone.send(`/deliveries/${id}/replay`)
      await press(page, 'Mark as handled')
    },
    shows: (page) => page.getByRole('button', { name: 'Mark as handled anyway' }),
  },
  {
    name: 'the preview of a correction',
    send: async (page, user) => {
      await open(page, `/deliveries/${await idOf(`${user}-correct@example.com`)}/correct`)
      await page.getByLabel('Email').fill(`${user}-right@example.com`)
      await press(page, 'Preview')
    },
    shows: (page, user) => page.getByText(`A new delivery for ${user}-right@example.com in:`),
  },
  {
    name: 'a correction',
    send: (page) => press(page, 'Correct the delivery'),
    shows: text('This delivery replaces'),
  },
  {
    name: 'a withdrawal',
    send: async (page, user) => {
      await open(page, `/deliveries/${await idOf(`${user}-leaves@example.com`)}/withdraw`)
      await press(page, 'Withdraw')
    },
    shows: buyer,
  },
  {
    name: 'the result of one sale for the shop',
    send: async (page, user) => {
      await open(page, `/deliveries/${await idOf(`${user}-tell@example.com`)}`)
      await more(page)
      await press(page, 'Send the result to the shop again')
    },
    shows: text(/Sent to the shop again/),
  },
  {
    name: 'the search for a person',
    send: async (page, user) => {
      await open(page, '/people')
      await page.getByLabel('Email address').fill(`${user}-nobody@example.com`)
      await press(page, 'Show the person')
    },
    shows: heading('No account in the LMS'),
  },
  {
    name: 'the question before an erasure',
    send: (page) => press(page, 'Erase this person…'),
    shows: heading('What is erased'),
  },
  {
    name: 'an erasure',
    send: async (page, user) => {
      await page.getByLabel(/^To confirm, type/).fill(`${user}-nobody@example.com`)
      await press(page, 'Erase')
    },
    shows: heading('Erased'),
  },
  {
    name: 'a check of a person',
    send: async (page, user) => {
      await open(page, `/people/${await idOf(`${user}-person@example.com`)}`)
      await press(page, 'Check now')
    },
    shows: text(/Checked in the LMS/),
  },
  {
    name: 'a refused test sale',
    send: async (page) => {
      await open(page, '/test-sale')
      await page.getByLabel('Email').fill('nobody')
      await page.getByLabel('Course keys').fill(DEMO)
      await press(page, 'Make the test sale')
    },
    shows: text('email: Enter a valid email address.'),
  },
  {
    name: 'a test sale',
    send: async (page, user) => {
      await page.getByLabel('Email').fill(`${user}-test@example.com`)
      await press(page, 'Make the test sale')
    },
    shows: (page, user) => page.getByText(`${user}-test@example.com`).first(),
  },
  {
    name: 'a bulk replay',
    send: async (page, user) => {
      for (const one of [1, 2]) await idOf(`${user}-bulk-${one}@example.com`, [MISSING])
      await product.lms.faults([{ status: 503 }])
      await open(page, `/replay?q=${user}-bulk-`)
      await press(page, 'Replay 2')
    },
    shows: text('Started by'),
  },
  {
    name: 'a stop of a bulk replay',
    // This one has ended. While one runs, its page has the same form.
    send: (page) =>
      Promise.all([
        page.waitForResponse((response) => response.url().endsWith('/stop')),
        page.evaluate(`{
          const form = document.querySelector('form.who').cloneNode(true)
          form.action = location.pathname + '/stop'
          document.body.append(form)
          form.submit()
        }`),
      ]),
    shows: text('Started by'),
  },
  {
    name: 'a bulk correction to a course that the LMS no longer has',
    send: async (page, user) => {
      await idOf(`${user}-wrong@example.com`, [CURSE])
      // The LMS was down for the bulk replay, so the attempt may come later.
      const correct = page.getByRole('button', { name: 'Correct one sale…', exact: true })
      await until('a sale to correct', async () => {
        await open(page, `/correct?cause=course.missing&about=${encodeURIComponent(CURSE)}`)
        return (await correct.count()) > 0 || undefined
      })
      await correct.click()
      await page
        .locator('#confirm [name=enroll_in]')
        .evaluate((field) => field.setAttribute('value', 'course-v1:No+1+2'))
      await press(page, 'Enroll one buyer')
    },
    shows: text('The LMS has no course course-v1:No+1+2.'),
  },
  {
    name: 'a bulk correction',
    send: async (page) => {
      await open(page, `/correct?cause=course.missing&about=${encodeURIComponent(CURSE)}`)
      await press(page, 'Correct one sale…')
      await press(page, 'Enroll one buyer')
    },
    shows: text('Started by'),
  },
  {
    name: 'a note for selected sales without a text',
    send: async (page, user) => {
      await open(page, `/handled?id=${await idOf(`${user}-some@example.com`, [MISSING])}`)
      await page.getByLabel('Paid back').check()
      await page.getByLabel('What was done').fill(' ')
      await press(page, 'Mark as handled')
    },
    shows: text('Enter what was done'),
  },
  {
    name: 'a note for selected sales',
    send: async (page) => {
      await page.getByLabel('Paid back').check()
      await page.getByLabel('What was done').fill('refunded')
      await press(page, 'Mark as handled')
    },
    shows: text('Marked as handled: 1.'),
  },
  {
    name: 'a cause that somebody works on',
    send: async (page) => {
      await open(page, '/')
      await page
        .getByRole('button', { name: /^(Acknowledge|Mark as resolved)$/ })
        .first()
        .click()
    },
    shows: text(/(Acknowledged|Resolved) by admin/),
  },
  {
    name: 'a signature',
    send: async (page) => {
      await open(page, '/signature')
      await page.getByLabel('Body').fill('{"email":"secret@example.com"}')
      await page.getByLabel('X-Lernito-Signature').fill('ab'.repeat(32))
      await press(page, 'Check')
      await heading('The signature is refused')(page).waitFor()
    },
    shows: heading('Signature checker'),
    isScripted: true,
  },
  {
    name: 'the checks',
    send: async (page) => {
      await open(page, '/setup')
      await press(page, 'Run the checks')
    },
    shows: text('All checks'),
    isScripted: true,
  },
  {
    name: 'a test notification',
    send: async (page) => {
      await open(page, '/setup')
      await press(page, 'Send a test notification')
    },
    shows: text(/The last (one|test)|answered 200/),
  },
  {
    name: 'the events that were given up',
    send: async (page, user) => {
      receiver.answer(statusAnswer(410))
      await idOf(`${user}-told@example.com`)
      const button = page.getByRole('button', { name: 'Send again', exact: true })
      await until('an endpoint that is gone', async () => {
        await open(page, '/events')
        return (await button.count()) > 0 || undefined
      })
      receiver.answer(null)
      await button.click()
      await text(/^Trying /)(page).waitFor() // because the page before has the same heading
    },
    shows: heading('Events to the shop'),
  },
  { name: 'the sign-out', send: (page) => press(page, 'Sign out'), shows: heading('You are signed out') },
]

/** Sends each form, leaves the page that it led to, returns to it and reloads it. */
async function checkAll(t: TestContext, forms: readonly Form[], { javaScriptEnabled }: { javaScriptEnabled: boolean }) {
  const { page } = await openConsole(browser, product, { javaScriptEnabled })
  const user = javaScriptEnabled ? 'a' : 'b'
  const posts: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST') posts.push(new URL(request.url()).pathname)
  })
  for (const { name, send, shows } of forms) {
    await t.test(name, async () => {
      await send(page, user)
      await shows(page, user).waitFor()
      for (const path of posts.splice(0)) sentTo.add(path)
      await page.goto(`${product.lmsUrl}/`)
      await page.goBack()
      assert.doesNotMatch(page.url(), /@|%40|example\.com/, 'no address of a person')
      await shows(page, user).waitFor()
      await page.reload()
      await shows(page, user).waitFor()
      assert.deepEqual(posts, [])
      await product.lms.noFaults()
    })
  }
}

test('“back” and a reload show what each form led to, and send nothing again', (t) =>
  checkAll(t, FORMS, { javaScriptEnabled: true }))

test('so they do without JavaScript after a form that a script sends otherwise', (t) =>
  checkAll(
    t,
    FORMS.filter(({ isScripted }) => isScripted),
    { javaScriptEnabled: false },
  ))

test('a second click sends a form no second time: its answer would say that nothing changed', async () => {
  const { page } = await openConsole(browser, product)
  await open(page, `/deliveries/${await idOf('twice@example.com')}/withdraw`)
  let posts = 0
  page.on('request', (request) => {
    if (request.method() === 'POST') posts += 1
  })
  const { x, y } = (await page.getByRole('button', { name: 'Withdraw', exact: true }).boundingBox()) ?? { x: 0, y: 0 }
  const clicked = Promise.withResolvers<void>()
  await page.route('**/withdraw', async (route) => {
    if (route.request().method() === 'POST') await clicked.promise
    await route.continue()
  })
  for (let clicks = 0; clicks < 2; clicks++) await page.mouse.click(x + 5, y + 5)
  clicked.resolve()
  await buyer(page).waitFor()
  assert.equal(posts, 1)
})

/** The results of the search while somebody types are a part of the page. */
const NO_FORM = '/search'

test('each form of the console is in this file', () => {
  const unsent = consoleRoutes(product).filter(({ path, methods }) => {
    const pattern = new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`)
    return methods.includes('POST') && ![...sentTo].some((one) => pattern.test(one))
  })
  assert.deepEqual(
    unsent.map(({ path }) => path.replace('/lernito/console', '')),
    [NO_FORM],
  )
})
