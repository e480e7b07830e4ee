import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { sessionOf } from '../console-layout/guard.ts'
import { csrfField, messagePage, sendPage } from '../console-layout/layout.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import type { TestNotification } from '../notify/test-notification.ts'
import type { Session } from '../session/sessions.ts'
import type { Site } from '../session/site.ts'

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
    const main = messagePage({ text, action: words.back, link: `${site().base}/` })
    return sendPage({ reply, site: site(), session, title: words.title, current: '/', main })
  })
}

/** The section with the button that sends a test notification. */
export const testNotificationHtml = ({ base, session }: { base: string; session: Session }): string =>
  html`<section><h2>${words.title}</h2><p>${words.intro}</p>
<form method="post" action="${base}${PATH}" class="actions">!${csrfField(session)}<button class="second">${words.button}</button></form></section>`
