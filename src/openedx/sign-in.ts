import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import type { Answer } from './answer.ts'
import { type Failed, failed, type Judged, succeeded } from './failure.ts'
import { askForToken, claimsOf, judgeGrant, TOKEN_ENDPOINT } from './token-endpoint.ts'
import { type Call, createTransport, type LmsRequest } from './transport.ts'

/** Two: for the profile, which has the staff flag, and for the e-mail, without which the LMS's own page asks for less. */
const SCOPE = 'profile email'
const TIMEOUT_MS = 10_000
const CONCURRENCY = 8

/** Who signed in, as the LMS says. */
export interface Person {
  readonly username: string
  /** Whether the person is staff in the LMS. */
  readonly administrator: boolean
  /** Good for asking once more who this is; null where the LMS gives none. */
  readonly refreshToken: string | null
}

/** What the browser has to bring back with the code: neither is a secret from the person who signs in. */
export interface Attempt {
  readonly state: string
  readonly verifier: string
}

/** Sign-in of a person with their account in the LMS: authorization code with PKCE (recorded: sign-in.json). */
export interface SignIn {
  /** A new attempt, and the address in the LMS where the browser goes with it. */
  begin(redirectUri: string): Promise<Attempt & { readonly url: string }>
  /** Turns what the LMS sent the browser back with into a person; `refused` if it is not this attempt's. */
  finish(back: { parameters: URLSearchParams; attempt: Attempt; redirectUri: string }): Promise<Judged<Person>>
  /** Asks the LMS anew who this is. `refused`: it does not say so any more. A refresh token is good once. */
  renew(refreshToken: string): Promise<Judged<Person>>
  close(): Promise<void>
}

const claims = z.object({ preferred_username: z.string().min(1), administrator: z.boolean() })

/**
 * @param from.lmsUrl LERNITO_LMS_URL, where this service calls the LMS
 * @param from.publicUrl LERNITO_LMS_PUBLIC_URL, where browsers reach it
 * @param from.clientId LERNITO_CONSOLE_CLIENT_ID
 * @param from.onCall told of every call
 */
export function createSignIn(from: {
  lmsUrl: string
  publicUrl: string
  clientId: string
  clientSecret: string
  version: string
  now?: () => number
  onCall?: (call: Call) => void
}): SignIn {
  const { now = Date.now, onCall = () => {} } = from
  const server: oauth.AuthorizationServer = {
    issuer: from.lmsUrl,
    authorization_endpoint: `${from.publicUrl}/oauth2/authorize`,
    token_endpoint: `${from.lmsUrl}${TOKEN_ENDPOINT}`,
  }
  const client: oauth.Client = { client_id: from.clientId }
  const secret = oauth.ClientSecretPost(from.clientSecret)
  // Apart from the transport of the enrolling calls: people don't wait behind a backlog.
  const transport = createTransport({
    url: new URL(from.lmsUrl),
    userAgent: `lernito-openedx/${from.version}`,
    concurrency: () => CONCURRENCY,
    timeoutMs: TIMEOUT_MS,
    now,
    onCall,
  })

  async function ask(grant: Parameters<typeof askForToken>[0]['grant']): Promise<Judged<Person>> {
    const send = (request: LmsRequest) => transport.send(request, { authorization: null, queued: true })
    const answer = await askForToken({ grant, send })
    return answer.ok ? judgePerson(answer.value) : answer
  }

  return {
    async begin(redirectUri) {
      const [state, verifier] = [oauth.generateRandomState(), oauth.generateRandomCodeVerifier()]
      const url = new URL(`${from.publicUrl}/oauth2/authorize`)
      url.search = new URLSearchParams({
        response_type: 'code',
        client_id: from.clientId,
        redirect_uri: redirectUri,
        scope: SCOPE,
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }).toString()
      return { state, verifier, url: url.href }
    },

    async finish({ parameters, attempt, redirectUri }) {
      let checked: URLSearchParams
      try {
        checked = oauth.validateAuthResponse(server, client, parameters, attempt.state)
      } catch (error) {
        return refused(`The LMS did not sign this person in (${codeOf(error)})`)
      }
      if (!checked.get('code')) return refused('The LMS sent the browser back without a code: sign in again')
      return ask((options) =>
        oauth.authorizationCodeGrantRequest(server, client, secret, checked, redirectUri, attempt.verifier, options),
      )
    },

    renew: (refreshToken) =>
      ask((options) => oauth.refreshTokenGrantRequest(server, client, secret, refreshToken, options)),

    close: () => transport.close(),
  }
}

/**
 * Judges an answer of the token endpoint to a code or a refresh token. A bad signature of the token can't show: it is
 * signed with the LMS's own secret. It is trusted because the LMS itself answered this service's call with it.
 */
export async function judgePerson(answer: Answer): Promise<Judged<Person>> {
  const misconfigured = (message: string) =>
    failed({ kind: 'misconfigured', endpoint: TOKEN_ENDPOINT, status: answer.status, message })
  const granted = await judgeGrant(answer, (error) => {
    // Recorded: sign-in.json, 'the code again'.
    if (error === 'invalid_grant' || error === 'invalid_request') {
      return refused(`The LMS does not accept this sign-in, or no longer (${error}): sign in again`, answer.status)
    }
    return misconfigured(refusalWords(error))
  })
  if (!granted.ok) return granted
  const read = claims.safeParse(claimsOf(granted.value.access_token))
  if (!read.success) {
    return misconfigured(
      'The LMS does not say whether this person is staff: allow the scopes profile and email to the OAuth application LERNITO_CONSOLE_CLIENT_ID',
    )
  }
  return succeeded({
    username: read.data.preferred_username,
    administrator: read.data.administrator,
    refreshToken: granted.value.refresh_token ?? null,
  })
}

/** `status`: that of the LMS's answer; null where it was not asked. */
function refused(message: string, status: number | null = null): Failed {
  return failed({ kind: 'refused', endpoint: TOKEN_ENDPOINT, status, message })
}

function refusalWords(error: string): string {
  if (error === 'invalid_client') {
    return 'The LMS does not know LERNITO_CONSOLE_CLIENT_ID with LERNITO_CONSOLE_CLIENT_SECRET (invalid_client)'
  }
  const remedy = "give the OAuth application LERNITO_CONSOLE_CLIENT_ID the grant type 'authorization code' in the LMS"
  return `The LMS signs nobody in by this application (${error}): ${remedy}`
}

/** Of an error that came with the browser only a code is repeated, and only one that looks like a code. */
function codeOf(error: unknown): string {
  const code = error instanceof oauth.AuthorizationResponseError ? error.error : null
  return code !== null && /^[a-z_]{1,40}$/.test(code) ? code : 'the answer does not belong to this attempt'
}
