import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Lms } from '../lms/lms.ts'
import { field, page, redirectTo, sendPage } from './layout.ts'
import { formReader, queryOf, signedInPerson } from './page-request.ts'

/** The page to show after signing in: always on this server. */
function localPath(next: string): string {
  return /^\/(?![/\\])/.test(next) ? next : '/dashboard'
}

function form({ lms, next, login, error }: { lms: Lms; next: string; login: string; error: string }): string {
  const { people, password_of_people } = lms.world()
  const learner = people.find(({ active, staff }) => active && !staff)
  const staff = people.find((person) => person.staff)
  const known = [learner, staff].filter((person) => person !== undefined).map(({ email }) => email)
  return html`<p class="note">The people of this sandbox have the password <code>${password_of_people}</code>. Try
${known.join(' or ')}. If you registered here, use the password that you chose.</p>
!${error === '' ? '' : `<p class="wrong" role="alert">${error}</p>`}
<form method="post" action="/login">
<input type="hidden" name="next" value="${next}">
!${field({ name: 'login', label: 'E-mail address or username', value: login, autocomplete: 'username' })}
!${field({ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' })}
<button>Sign in</button>
</form>
<p>No account yet? <a href="/register">Register</a></p>
`
}

/**
 * The page to show after signing out: a redirect URI of an application if the address names both, as in Open edX
 * (openedx/core/djangoapps/user_authn/utils.py, is_safe_login_or_logout_redirect).
 */
function afterSignOut({ lms, client, target }: { lms: Lms; client: string; target: string }): string {
  const application = lms.world().applications.find(({ client_id }) => client_id === client)
  const known = [application?.redirect_uri ?? [], lms.redirectUris[client] ?? []].flat()
  return known.includes(target) ? target : '/'
}

/** /login and /logout. A person with an inactive account can't sign in; the page then shows the activation link. */
export function addSignIn({ app, lms }: { app: FastifyInstance; lms: Lms }): void {
  app.get('/login', (request, reply) => {
    const main = form({ lms, next: queryOf(request, 'next'), login: queryOf(request, 'login'), error: '' })
    return sendPage(reply, 200, page({ title: 'Sign in', person: signedInPerson(lms, request), main }))
  })

  app.post('/login', (request, reply) => {
    const read = formReader(request)
    const login = read('login').trim()
    const next = read('next')
    const person = lms.state.findPerson(login.includes('@') ? { email: login } : { username: login })
    const known = person && person.password === read('password')
    if (known && person.active) {
      lms.state.savePerson({ ...person, lastLogin: lms.now() })
      return redirectTo(reply, localPath(next), { 'set-cookie': lms.sessions.begin(person.username) })
    }
    const error = known
      ? html`This account isn't active yet. <a href="/activate/${person.activationKey}">Activate it</a>, then sign in.`
      : 'The e-mail address (or username) and password don’t match an account.'
    const main = form({ lms, next, login, error })
    return sendPage(reply, 400, page({ title: 'Sign in', person: signedInPerson(lms, request), main }))
  })

  app.get('/logout', (request, reply) => {
    const target = afterSignOut({
      lms,
      client: queryOf(request, 'client_id'),
      target: queryOf(request, 'redirect_url'),
    })
    return redirectTo(reply, target, { 'set-cookie': lms.sessions.end(request.headers.cookie) })
  })
}
