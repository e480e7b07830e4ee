import { type Answer, errorPage } from '../lms/answers.ts'
import type { Application } from '../lms/world.ts'
import type { Call, View } from './view.ts'

/** GET /oauth2/authorize: a person signs in to an application. Rules: recordings, sign-in.json. */
export const authorizeView: View = {
  url: '/oauth2/authorize',
  accepts: 'nothing',
  access: 'anyone',
  errors: 'detail',
  throttled: false,
  handlers: { GET: authorize },
}

function redirect(location: string): Answer {
  return { status: 302, headers: { location }, body: '' }
}

/** Percent-encodes as Python's urllib.parse.quote does, which keeps /. */
function quote(text: string): string {
  const hex = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, hex)
}

function redirectUrisOf(call: Call, application: Application): string[] {
  return [application.redirect_uri ?? [], call.lms.redirectUris[application.client_id] ?? []].flat()
}

function authorize(call: Call): Answer {
  const { lms, query, cookies, url } = call
  const username = lms.sessions.usernameOf(cookies)
  const person = username === null ? undefined : lms.state.findPerson({ username })
  if (!person) return redirect(`/login?next=${quote(url)}`)
  const application = lms.world().applications.find(({ client_id }) => client_id === query.get('client_id'))
  const redirectUri = query.get('redirect_uri') ?? ''
  // The LMS has no page for this error and fails (recorded: 'authorize with an unregistered redirect').
  if (!application || !redirectUrisOf(call, application).includes(redirectUri)) return errorPage(500)
  const back = (parameters: Record<string, string>) => {
    const target = new URL(redirectUri)
    const state = query.get('state')
    for (const [name, value] of Object.entries({ ...parameters, ...(state === null ? {} : { state }) })) {
      target.searchParams.set(name, value)
    }
    return redirect(target.href)
  }
  if (application.grant !== 'authorization-code') return back({ error: 'unauthorized_client' })
  if (query.get('response_type') !== 'code') return back({ error: 'unsupported_response_type' })
  const method = query.get('code_challenge_method') ?? 'plain'
  const value = query.get('code_challenge')
  if (method !== 'S256' && method !== 'plain') return back({ error: 'invalid_request' })
  const scopes = (query.get('scope') ?? 'read').split(' ').filter(Boolean)
  const clientId = application.client_id
  const challenge = value === null ? null : ({ value, method } as const)
  return back({ code: lms.tokens.issueCode({ username: person.username, clientId, redirectUri, scopes, challenge }) })
}
