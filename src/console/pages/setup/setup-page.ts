import type { FastifyReply } from 'fastify'
import { html } from 'ghtml'
import type { Operations, Shown } from '../../../operators/changes/operations.ts'
import type { DeliveryEvent } from '../../../sale/types.ts'
import { csrfField } from '../../layout/elements.ts'
import { stateHtml, timeHtml } from '../../layout/format.ts'
import { sendMessage, sendPage } from '../../layout/layout.ts'
import { sessionOf } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { ChecksRun, PageParts } from '../../parts.ts'
import type { Session } from '../../session/sessions.ts'
import { checksHtml } from './checks.ts'
import { operatorsHtml, shopHtml } from './shop.ts'

const words = TEXTS.setup
const PATH = '/setup'
/** How many of the latest changes are read, and how many sales by operators are looked at. */
const CHANGES = 200
const SALES = 5

/**
 * Adds the page that shows whether the installation is right, and what the shop has to know, and its form that sends a
 * test notification: the answer is a page that says what the receiver answered.
 */
export function addSetup(parts: PageParts): void {
  const { scope, setup, testNotification } = parts
  const send = async (reply: FastifyReply, run: ChecksRun | null): Promise<FastifyReply> =>
    sendPage({ reply, title: words.title, current: PATH, main: await pageHtml(parts, { reply, run }) })

  scope.get(PATH, (_request, reply) => send(reply, setup.checks.last()))

  // The answer is the page itself, because another replica may serve the next request. The checks change nothing.
  scope.post(`${PATH}/checks`, { config: { unconfirmed: true } }, async (_request, reply) =>
    send(reply, await setup.checks.run()),
  )

  scope.post('/test-notification', async (request, reply) => {
    if (testNotification === null) return reply.callNotFound()
    const { title, back: action } = TEXTS.testNotification
    const posted = await testNotification({ by: sessionOf(request).username })
    const text = posted.ok
      ? fill(TEXTS.testNotification.sent, { status: String(posted.status) })
      : fill(TEXTS.testNotification.failed, { reason: posted.message })
    return sendMessage({ reply, title, current: PATH, text, action, link: request.site.base + PATH })
  })
}

async function pageHtml(parts: PageParts, of: { reply: FastifyReply; run: ChecksRun | null }): Promise<string> {
  const { setup, readSenders, operations, testNotification, lmsUrl } = parts
  const { reply, run } = of
  const { site } = reply.request
  const session = sessionOf(reply.request)
  const { base } = site
  const [senders, forms, last] = await Promise.all([readSenders(), setup.formsLately(), readLastTests(operations)])
  const action = `${base}${PATH}/checks`
  return html`<p>${words.intro}</p>
<section><h2>${words.checks}</h2><p>${words.checksIntro}</p>
<form method="post" action="${action}" hx-post="${action}" hx-target="#checks" hx-select="#checks" class="actions">!${csrfField(session)}<button>${words.run}</button></form>
<div id="checks" aria-live="polite">!${run === null ? '' : checksHtml(run)}</div></section>
!${shopHtml({ site, setup, senders, forms })}
!${testsHtml({ base, session, last, canNotify: testNotification !== null })}
!${operatorsHtml({ site, setup, lmsUrl })}`
}

/** The latest test sale and test notification; null if there was none lately. */
interface LastTests {
  readonly sale: Shown | null
  readonly notification: DeliveryEvent | null
}

/** Finds the latest tests among the latest changes by operators. */
async function readLastTests(operations: Pick<Operations, 'audit' | 'show'>): Promise<LastTests> {
  const { items } = await operations.audit({ limit: CHANGES })
  const notification = items.find(({ kind }) => kind === 'notification_tested') ?? null
  // A correction is received from an operator too.
  for (const { deliveryId } of items.filter(({ kind }) => kind === 'received').slice(0, SALES)) {
    const shown = await operations.show(deliveryId)
    if (shown?.source === 'test') return { sale: shown, notification }
  }
  return { sale: null, notification }
}

/** Returns the sections with the test sale and the test notification, each with its last result. */
function testsHtml(of: { base: string; session: Session; last: LastTests; canNotify: boolean }): string {
  const { base, session, last, canNotify } = of
  const notification = canNotify
    ? testNotificationHtml({ base, session, last: last.notification })
    : html`<section><h2>${TEXTS.testNotification.title}</h2><p>${words.notificationsOff}</p></section>`
  return html`<section><h2>${TEXTS.testSale.title}</h2><p>${words.testSale}</p>!${lastSaleHtml(last, base)}
<p class="actions"><a class="button second" href="${base}/test-sale">${words.makeTestSale}</a></p></section>!${notification}`
}

function lastSaleHtml({ sale }: LastTests, base: string): string {
  if (sale === null) return ''
  const { id, state, receivedAt } = sale
  return html`<p>${words.lastTestSale} <a href="${base}/deliveries/${id}">!${timeHtml(receivedAt)}</a> !${stateHtml(state)}</p>`
}

/** Returns the section with the button that sends a test notification, and what came of the last one. */
function testNotificationHtml(of: { base: string; session: Session; last: DeliveryEvent | null }): string {
  const { base, session, last } = of
  const result = last === null ? '' : html`<p>${TEXTS.testNotification.last} !${timeHtml(last.at)}: ${last.detail}.</p>`
  return html`<section><h2>${TEXTS.testNotification.title}</h2><p>${TEXTS.testNotification.intro}</p>!${result}
<form method="post" action="${base}/test-notification" class="actions">!${csrfField(session)}<button class="second">${TEXTS.testNotification.button}</button></form></section>`
}
