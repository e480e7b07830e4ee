import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Lms } from '../lms/lms.ts'
import { page, sendPage } from './layout.ts'
import { signedInPerson } from './page-request.ts'

/** The start page: what this server is, its pages, and the people and courses of its world. */
export function addStartPage({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  app.get('/', (request, reply) => {
    const { people, courses } = lms.world()
    const personRow = ({ username, email, active, staff }: (typeof people)[number]) => {
      const kind = staff ? 'staff' : active ? 'learner' : 'not activated'
      return html`<tr><td>${username}</td><td>${email}</td><td>${kind}</td></tr>`
    }
    const courseRow = ({ id, name }: (typeof courses)[number]) =>
      html`<tr><td>${name}</td><td><code>${id}</code></td></tr>`
    const main = html`<p>This server answers the API calls of lernito-openedx like the LMS of an Open edX site, and has
the few pages that a learner needs. Use it to try out a sale from end to end: a webhook comes in, and the course appears
on the buyer's dashboard.</p>
<p><a class="button" href="/register">Register</a> <a class="button" href="/login">Sign in</a>
<a class="button" href="/dashboard">Dashboard</a> <a class="button" href="/mails">Mails</a></p>
<h2>People</h2>
<table><thead><tr><th>Username</th><th>E-mail address</th><th>Account</th></tr></thead>
<tbody>!${people.map(personRow).join('\n')}</tbody></table>
<p>All have the password <code>${lms.world().password_of_people}</code>.</p>
<h2>Courses</h2>
<table><thead><tr><th>Name</th><th>Key</th></tr></thead>
<tbody>!${courses.map(courseRow).join('\n')}</tbody></table>
<h2>Behind the scenes</h2>
<p>All enrollments and allowances as JSON: <a href="/sandbox/state">/sandbox/state</a>. The LMS's audit of batch calls:
<a href="/sandbox/audit">/sandbox/audit</a>. Counts of all calls: <a href="/sandbox/calls">/sandbox/calls</a>.</p>
`
    return sendPage(reply, 200, page({ title: 'What is this?', person: signedInPerson(lms, request), main }))
  })
}
