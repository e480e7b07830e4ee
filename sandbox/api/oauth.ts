import { createHash } from 'node:crypto'
import { type Answer, errorPage } from '../lms/answers.ts'
import type { Lms } from '../lms/lms.ts'
import type { Person } from '../lms/people.ts'
import type { Application } from '../lms/world.ts'
import { fieldsOf, textOf } from './bodies.ts'
import type { Json } from './json.ts'
import type { Call, View } from './view.ts'

/** POST /oauth2/access_token. Rules: recordings, oauth.json and sign-in.json. */
export const tokenView: View = {
  url: '/oauth2/access_token',
  accepts: 'nothing',
  access: 'anyone',
  errors: 'detail',
  throttled: 'address',
  handlers: { POST: issueToken },
}

const defaultScopes = ['read', 'write', 'email', 'profile']
const grantTypes = ['client_credentials', 'authorization_code', 'password', 'refresh_token']

function refuse(error: string, description?: string): Answer {
  return { status: 400, body: { error, ...(description ? { error_description: description } : {}) } }
}

/** The application with the id and secret of the call, in the form or by HTTP Basic; null if they are wrong. */
function findApplication({
  fields,
  authorization,
  lms,
}: {
  fields: Record<string, Json>
  authorization: string | undefined
  lms: Lms
}): Application | null {
  const [scheme, encoded = ''] = (authorization ?? '').split(' ')
  const basic = scheme?.toLowerCase() === 'basic' ? Buffer.from(encoded, 'base64').toString() : null
  const colon = basic?.indexOf(':') ?? -1
  const id = basic === null ? textOf(fields.client_id) : decode(basic.slice(0, colon))
  const secret = basic === null ? textOf(fields.client_secret) : decode(basic.slice(colon + 1))
  return (
    lms.world().applications.find(({ client_id, client_secret }) => client_id === id && client_secret === secret) ??
    null
  )
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function issueToken({ data, authorization, lms, host }: Call): Answer {
  const fields = fieldsOf(data) ?? {}
  const grantType = textOf(fields.grant_type)
  if (!grantTypes.includes(grantType)) return refuse('unsupported_grant_type')
  const application = findApplication({ fields, authorization, lms })
  if (!application) {
    const headers = { 'www-authenticate': 'Bearer error="invalid_client"' }
    return { status: 401, headers, body: { error: 'invalid_client' } }
  }
  const grant = grantType === 'refresh_token' ? 'authorization-code' : grantType.replace('_', '-')
  if (grant !== application.grant) return refuse('unauthorized_client')
  if (grantType === 'refresh_token') return refreshToken({ lms, application, fields, host })
  if (grantType === 'client_credentials') {
    if (application.user === undefined) return withoutUser(textOf(fields.token_type))
    const person = lms.state.findPerson({ username: application.user ?? '' })
    const asked = textOf(fields.scope).split(' ').filter(Boolean)
    if (asked.some((scope) => !defaultScopes.includes(scope))) return refuse('invalid_scope')
    if (!person) return refuse('invalid_grant')
    return tokenAnswer({ lms, person, application, scopes: asked.length > 0 ? asked : defaultScopes, fields, host })
  }
  return redeemCode({ lms, application, fields, host })
}

/**
 * The LMS stores a token without an owner, and fails when it makes a JWT of it, which names the owner (Open edX,
 * oauth_dispatch/dot_overrides/validators.py, `save_bearer_token`; oauth_dispatch/jwt.py, `_create_jwt`).
 */
const withoutUser = (tokenType: string): Answer =>
  tokenType.toLowerCase() === 'jwt'
    ? errorPage(500)
    : {
        status: 200,
        body: { access_token: 'of-nobody', expires_in: 36000, token_type: 'Bearer', scope: defaultScopes.join(' ') },
      }

/** A call with a grant that its application may use. */
type TokenCall = { lms: Lms; application: Application; fields: Record<string, Json>; host: string }

/** A code is valid once, with the application, redirect and PKCE verifier of its authorization request. */
function redeemCode({ lms, application, fields, host }: TokenCall): Answer {
  if (textOf(fields.code) === '') return refuse('invalid_request', 'Missing code parameter.')
  const grant = lms.tokens.consumeCode(textOf(fields.code))
  if (!grant || grant.clientId !== application.client_id) return refuse('invalid_grant')
  if (grant.redirectUri !== textOf(fields.redirect_uri)) return refuse('invalid_request', 'Mismatching redirect URI.')
  const verifier = textOf(fields.code_verifier)
  const { challenge } = grant
  if (challenge && verifier === '') return refuse('invalid_request', 'Code verifier required.')
  const derived = challenge?.method === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier
  const person = lms.state.findPerson({ username: grant.username })
  if ((challenge && challenge.value !== derived) || !person) return refuse('invalid_grant')
  return tokenAnswer({ lms, person, application, scopes: grant.scopes, fields, host })
}

/** Issues a new token with the person's current flags. A used refresh token is invalid. */
function refreshToken({ lms, application, fields, host }: TokenCall): Answer {
  if (textOf(fields.refresh_token) === '') return refuse('invalid_request', 'Missing refresh token parameter.')
  const found = lms.tokens.consumeRefreshToken(textOf(fields.refresh_token))
  const person = found === null ? undefined : lms.state.findPerson({ username: found.username })
  if (!found || !person || found.clientId !== application.client_id) return refuse('invalid_grant')
  return tokenAnswer({ lms, person, application, scopes: found.scopes, fields, host })
}

function tokenAnswer({
  lms,
  person,
  application,
  scopes,
  fields,
  host,
}: TokenCall & { person: Person; scopes: string[] }): Answer {
  const jwt = textOf(fields.token_type).toLowerCase() === 'jwt'
  const grant = application.grant
  const token = jwt ? lms.tokens.issueJwt({ person, grant, scopes, host }) : lms.tokens.issueOpaque({ person })
  const refreshable = { username: person.username, clientId: application.client_id, scopes }
  const refresh = grant === 'authorization-code' ? { refresh_token: lms.tokens.issueRefreshToken(refreshable) } : {}
  return { status: 200, body: { ...token, scope: scopes.join(' '), ...refresh } }
}
