import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { type RegistrationErrors, register } from '../api/registration.ts'
import { changeAccount } from '../lms/enrollment-rules.ts'
import type { Lms } from '../lms/lms.ts'
import { field, page, sendPage } from './layout.ts'
import { formReader, queryOf, signedInPerson } from './page-request.ts'

type Values = { email: string; username: string; name: string }

function form(values: Values, errors: RegistrationErrors): string {
  const { email, username, name } = values
  return html`<form method="post" action="/register">
!${field({ name: 'email', label: 'E-mail address', type: 'email', value: email, autocomplete: 'email', error: errors.email })}
!${field({ name: 'username', label: 'Public username', value: username, autocomplete: 'username', error: errors.username })}
!${field({ name: 'name', label: 'Full name', value: name, autocomplete: 'name', error: errors.name })}
!${field({ name: 'password', label: 'Password', type: 'password', autocomplete: 'new-password', error: errors.password })}
<button>Create account</button>
</form>
<p>Registered already? <a href="/login">Sign in</a></p>
`
}

/** /register, and /activate/{key}, to which the e-mail of a real LMS leads. */
export function addRegistration({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  const show = (title: string, main: string) => page({ title, person: null, main })

  app.get('/register', (request, reply) => {
    const main = form({ email: queryOf(request, 'email'), username: '', name: '' }, {})
    return sendPage(reply, 200, page({ title: 'Register', person: signedInPerson(lms, request), main }))
  })

  app.post('/register', (request, reply) => {
    const read = formReader(request)
    const values = { email: read('email').trim(), username: read('username').trim(), name: read('name').trim() }
    const done = register(lms, { ...values, password: read('password'), country: null })
    if ('errors' in done) return sendPage(reply, done.taken ? 409 : 400, show('Register', form(values, done.errors)))
    const main = html`<p>The account ${done.person.username} is created, but not active yet. A real LMS now sends an e-mail
to ${done.person.email} with this link:</p>
<p><a class="button" href="/activate/${done.person.activationKey}">Activate the account</a></p>
<p>Courses that were bought for this address appear on the dashboard once the account is active.</p>
`
    return sendPage(reply, 200, show('Activate your account', main))
  })

  app.get<{ Params: { key: string } }>(
    '/activate/:key',
    { config: { pattern: '/activate/{key}' } },
    (request, reply) => {
      const person = lms.state.findPerson({ activationKey: request.params.key })
      if (!person) {
        const main = html`<p class="wrong">This activation link leads to no account. <a href="/register">Register</a></p>`
        return sendPage(reply, 404, show('Unknown link', main))
      }
      const { missingCourse } = changeAccount(lms.context(), person, { active: true })
      if (missingCourse !== null) {
        // As in the real LMS: test/recordings/README.md, 'Seen besides'.
        const main = html`<p class="wrong">The activation failed, as it does in Open edX: ${person.email} has an allowance for
<code>${missingCourse}</code>, a course that doesn't exist. Delete that allowance, then follow the link again.</p>`
        return sendPage(reply, 500, show('Server error', main))
      }
      const main = html`<p>The account ${person.username} is active. Sign in to see its courses.</p>
<p><a class="button" href="/login?login=${encodeURIComponent(person.email)}">Sign in</a></p>`
      return sendPage(reply, 200, show('Account activated', main))
    },
  )
}
