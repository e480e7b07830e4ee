import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { timestamp } from '../lms/answers.ts'
import type { Lms } from '../lms/lms.ts'
import type { SentMail } from '../lms/mails.ts'
import { page, sendPage } from './layout.ts'
import { signedInPerson } from './page-request.ts'

/** /mails: the mails that a real LMS would have sent to learners, newest first. */
export function addMails({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  app.get('/mails', (request, reply) => {
    const mails = lms.mails.list().toReversed()
    const main = html`<p>A real LMS would have sent these mails. It sends them for calls with <code>email_students</code>.</p>
!${mails.length > 0 ? table(mails) : '<p>No mails yet.</p>'}
`
    return sendPage(reply, 200, page({ title: 'Mails', person: signedInPerson(lms, request), main }))
  })
}

function table(mails: SentMail[]): string {
  const rows = mails.map(({ at, to, subject, course }) => {
    const time = timestamp(at).slice(0, 19).replace('T', ' ')
    return html`<tr><td>${time} UTC</td><td>${to}</td><td>${subject}<br><code>${course}</code></td></tr>`
  })
  return html`<table><thead><tr><th>Sent</th><th>To</th><th>Subject and course</th></tr></thead>
<tbody>!${rows.join('\n')}</tbody></table>`
}
