import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { SendersView } from '../../../shop/senders/view.ts'
import { stateHtml, timeHtml } from '../../layout/format.ts'
import { sessionOf } from '../../layout/guard.ts'
import { csrfField, sendPage } from '../../layout/layout.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'
import { type Checks, type ChecksRun, checksHtml } from './checks.ts'
import { type LastTests, readLastTests } from './last-tests.ts'
import { operatorsHtml, type ShopSetup, shopHtml } from './shop.ts'
import { testNotificationHtml } from './test-notification.ts'

const words = TEXTS.setup
const PATH = '/setup'

/** What the page shows of the installation. */
export interface Setup extends ShopSetup {
  readonly checks: Checks
}

interface SetupParts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly setup: Setup
  readonly readSenders: () => Promise<SendersView>
  readonly operations: Pick<Operations, 'audit' | 'show'>
  /** Whether LERNITO_NOTIFY_URL is set. */
  readonly canNotify: boolean
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
}

/** Adds the page that shows whether the installation is right, and what the shop has to know. */
export function addSetup(parts: SetupParts): void {
  const { scope, site, setup } = parts

  scope.get(PATH, async (request, reply) => {
    const session = sessionOf(request)
    const main = await pageHtml(parts, { session, run: setup.checks.last() })
    return sendPage({ reply, site: site(), session, title: words.title, current: PATH, main })
  })

  // The answer is the page itself, because another replica may serve the next request. The checks change nothing.
  scope.post(`${PATH}/checks`, { config: { unconfirmed: true } }, async (request, reply) => {
    const session = sessionOf(request)
    const main = await pageHtml(parts, { session, run: await setup.checks.run() })
    return sendPage({ reply, site: site(), session, title: words.title, current: PATH, main })
  })
}

async function pageHtml(parts: SetupParts, of: { session: Session; run: ChecksRun | null }): Promise<string> {
  const { site, setup, readSenders, operations, canNotify, lmsUrl } = parts
  const { session, run } = of
  const { base } = site()
  const [senders, forms, last] = await Promise.all([readSenders(), setup.formsLately(), readLastTests(operations)])
  const action = `${base}${PATH}/checks`
  return html`<p>${words.intro}</p>
<section><h2>${words.checks}</h2><p>${words.checksIntro}</p>
<form method="post" action="${action}" hx-post="${action}" hx-target="#checks" hx-select="#checks" class="actions">!${csrfField(session)}<button>${words.run}</button></form>
<div id="checks" aria-live="polite">!${run === null ? '' : checksHtml(run)}</div></section>
!${shopHtml({ site: site(), setup, senders, forms })}
!${testsHtml({ base, session, last, canNotify })}
!${operatorsHtml({ site: site(), setup, lmsUrl })}`
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
