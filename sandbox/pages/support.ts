import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Lms } from '../lms/lms.ts'
import { page, redirectTo, sendPage } from './layout.ts'
import { queryOf, signedInPerson } from './page-request.ts'

/** /support/enrollment and a course's about page, at the addresses of the real LMS: the console links to them. */
export function addSupportPages({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  app.get('/support/enrollment', (request, reply) => {
    const staff = signedInPerson(lms, request)
    if (!staff) return redirectTo(reply, `/login?next=${encodeURIComponent(request.url)}`)
    if (!staff.staff) {
      return sendPage(reply, 403, page({ title: 'For staff only', person: staff, main: '<p>Sign in as staff.</p>' }))
    }
    const asked = queryOf(request, 'user')
    const person = lms.state.findPerson(asked.includes('@') ? { email: asked } : { username: asked })
    const email = person?.email ?? asked
    const account = person
      ? html`<p>The account ${person.username} (${email}) is ${person.active ? 'active' : 'not activated'}.</p>`
      : html`<p>There is no account for ${asked}.</p>`
    const enrollments = person ? lms.state.listEnrollments(person.id) : []
    const rows = [
      ...enrollments.map(({ course, mode, active }) => [course, active ? `enrolled, ${mode}` : `unenrolled, ${mode}`]),
      ...lms.state
        .listAllowances(email)
        .filter(({ personId }) => personId === null)
        .map(({ course, autoEnroll }) => [course, autoEnroll ? 'allowed, enrolled on activation' : 'allowed']),
    ]
    const list = rows.map(([course, how]) => html`<tr><td><code>${course}</code></td><td>${how}</td></tr>`)
    const table = html`<table><thead><tr><th>Course</th><th>How</th></tr></thead><tbody>!${list.join('\n')}</tbody></table>`
    const main = html`!${account}!${rows.length > 0 ? table : '<p>No enrollments and no allowances.</p>'}`
    return sendPage(reply, 200, page({ title: 'Enrollments of a person', person: staff, main }))
  })

  app.get<{ Params: { '*': string } }>(
    '/courses/*',
    { config: { pattern: '/courses/{course}/about' } },
    (request, reply) => {
      const course = lms.state.findCourse(request.params['*'].replace(/\/about$/, ''))
      const person = signedInPerson(lms, request)
      if (!course) {
        return sendPage(reply, 404, page({ title: 'No such course', person, main: '<p>No course has this key.</p>' }))
      }
      const main = html`<p><code>${course.id}</code></p>`
      return sendPage(reply, 200, page({ title: course.name, person, main }))
    },
  )
}
