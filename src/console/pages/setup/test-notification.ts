import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { TestNotification } from '../../../operators/notify/post-text.ts'
import type { DeliveryEvent } from '../../../sale/types.ts'
import { timeHtml } from '../../layout/format.ts'
import { sessionOf } from '../../layout/guard.ts'
import { csrfField, messagePage, sendPage } from '../../layout/layout.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'

const words = TEXTS.testNotification
const PATH = '/test-notification'

/** Adds the form that sends a test notification; its answer is a page that says what the receiver answered. */
export function addTestNotification({
  scope,
  site,
  testNotification,
}: {
  scope: FastifyInstance
  site: () => Site
  /** null: LERNITO_NOTIFY_URL is not set. */
  testNotification: TestNotification | null
}): void {
  scope.post(PATH, async (request, reply) => {
    if (testNotification === null) return reply.callNotFound()
    const session = sessionOf(request)
    const posted = await testNotification({ by: session.username })
    const text = posted.ok
      ? fill(words.sent, { status: String(posted.status) })
      : fill(words.failed, { reason: posted.message })
    const main = messagePage({ text, action: words.back, link: `${site().base}/setup` })
    return sendPage({ reply, site: site(), session, title: words.title, current: '/setup', main })
  })
}

/** Returns the section with the button that sends a test notification, and what came of the last one. */
export function testNotificationHtml(of: { base: string; session: Session; last: DeliveryEvent | null }): string {
  const { base, session, last } = of
  const result = last === null ? '' : html`<p>${words.last} !${timeHtml(last.at)}: ${last.detail}.</p>`
  return html`<section><h2>${words.title}</h2><p>${words.intro}</p>!${result}
<form method="post" action="${base}${PATH}" class="actions">!${csrfField(session)}<button class="second">${words.button}</button></form></section>`
}
