import { html } from 'ghtml'
import { stateHtml, timeHtml } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { LastTests } from './last-tests.ts'
import { testNotificationHtml } from './test-notification.ts'

const words = TEXTS.setup

/** Returns the sections with the test sale and the test notification, each with its last result. */
export function testsHtml(of: { base: string; session: Session; last: LastTests; canNotify: boolean }): string {
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
