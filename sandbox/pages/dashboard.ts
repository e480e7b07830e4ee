import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Lms } from '../lms/lms.ts'
import { page, redirectTo, sendPage } from './layout.ts'
import { signedInPerson } from './page-request.ts'

/** /dashboard: the courses in which the signed-in person is enrolled. */
export function addDashboard({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  app.get('/dashboard', (request, reply) => {
    const person = signedInPerson(lms, request)
    if (!person) return redirectTo(reply, '/login?next=/dashboard')
    const courses = lms.state
      .listEnrollments(person.id)
      .filter(({ active }) => active)
      .map(({ course, mode }) => ({
        id: course,
        mode,
        name: lms.state.findCourse(course)?.name ?? 'A course that doesn’t exist',
      }))
    const list = courses.map(({ id, name, mode }) => {
      return html`<li><strong>${name}</strong><br><code>${id}</code><br>Enrolled in ${mode} mode</li>`
    })
    const main = html`<p>Signed in as ${person.name} (${person.email}).</p>
!${courses.length > 0 ? html`<ul class="courses">!${list.join('\n')}</ul>` : '<p>You are not enrolled in any courses yet.</p>'}
`
    return sendPage(reply, 200, page({ title: 'My courses', person, main }))
  })
}
