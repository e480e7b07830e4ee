import * as oauth from 'oauth4webapi'
import { HEARTBEAT, isUp } from './apis/heartbeat.ts'
import type { Answer } from './client/answer.ts'
import { type Failed, failed, type Judged, succeeded } from './client/failure.ts'
import {
  type Application,
  claimsOf,
  judgeGrant,
  misconfigured,
  TOKEN_ENDPOINT,
  tokenRequest,
  userClaims,
} from './client/token.ts'
import { type Call, createTransport } from './client/transport.ts'

/** Two scopes: the profile has the staff flag; without the e-mail, the LMS's own page asks for less. */
const SCOPE = 'profile email'
const AUTHORIZE_PATH = '/oauth2/authorize'
const TIMEOUT_MS = 10_000
/** A browser waits for it before each sign-in. */
const HEARTBEAT_TIMEOUT_MS = 2_000
const CONCURRENCY = 8

/** The person who signed in, according to the LMS. */
export interface Person {
  readonly username: string
  /** Whether the person is staff in the LMS, and the account is active. */
  readonly administrator: boolean
  /** Valid for one renewal; null if the LMS gives none. */
  readonly refreshToken: string | null
}

/** What the browser has to bring back with the code. Neither is a secret from the person who signs in. */
export interface Attempt {
  readonly state: string
  readonly verifier: string
}

/**
 * Must say whether the person is staff. The LMS gives tokens to deactivated accounts too, and keeps such an account out of
 * its own admin, whatever its staff status.
 */
const claims = userClaims
  .required({ administrator: true })
  .transform(({ preferred_username: username, administrator, email_verified: isActive = true }) => ({
    username,
    administrator: administrator && isActive,
  }))

interface SignInOptions extends Application {
  /** LERNITO_LMS_URL, where this service calls the LMS. */
  readonly lmsUrl: string
  /** LERNITO_LMS_PUBLIC_URL, where browsers reach it. */
  readonly publicUrl: string
  readonly now?: () => number
  /** Receives every call after it has ended. */
  readonly onCall?: (call: Call) => void
}

/**
 * Signs people in with their LMS accounts, through the OAuth application of the console: authorization code with PKCE
 * (recorded: sign-in.json).
 */
export function createSignIn(from: SignInOptions) {
  // Separate from the transport of the enrolling calls, so that people don't wait behind a backlog.
  const { lmsUrl, now = Date.now, onCall = () => {} } = from
  const url = new URL(lmsUrl)
  const transport = createTransport({ url, concurrency: () => CONCURRENCY, timeoutMs: TIMEOUT_MS, now, onCall })

  const ask = (grant: Readonly<Record<string, string>>): Promise<Judged<Person>> =>
    transport.ask({ ...tokenRequest(from, grant), judge: judgePerson })

  return {
    begin: (redirectUri: string) => beginAttempt(from, redirectUri),

    /** Turns the parameters that the browser brought back into a person. `refused` if they don't belong to this attempt. */
    async finish(back: {
      parameters: URLSearchParams
      attempt: Attempt
      redirectUri: string
    }): Promise<Judged<Person>> {
      const { parameters, attempt, redirectUri } = back
      let code: string | null
      try {
        code = oauth
          .validateAuthResponse({ issuer: lmsUrl }, { client_id: from.clientId }, parameters, attempt.state)
          .get('code')
      } catch (error) {
        return refused(`The LMS did not sign this person in (${codeOf(error)})`)
      }
      if (!code) return refused('The LMS sent the browser back without a code: sign in again')
      const { verifier: code_verifier } = attempt
      return ask({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier })
    },

    /** Asks the LMS again who this is. `refused` if it no longer accepts the token. A refresh token is valid once. */
    renew: (refreshToken: string) => ask({ grant_type: 'refresh_token', refresh_token: refreshToken }),

    /** Whether the LMS answers now, within 2 s. An LMS that keeps its heartbeat from this service counts as up. */
    isLmsUp: async (): Promise<boolean> =>
      isUp(await transport.ask(HEARTBEAT, { queued: false, timeoutMs: HEARTBEAT_TIMEOUT_MS })),

    close: () => transport.close(),
  }
}
export type SignIn = ReturnType<typeof createSignIn>

/** A new attempt to sign in, and the page of the LMS that the browser opens for it. */
export async function beginAttempt(
  { publicUrl, clientId }: Pick<SignInOptions, 'publicUrl' | 'clientId'>,
  redirectUri: string,
): Promise<Attempt & { readonly url: string }> {
  const [state, verifier] = [oauth.generateRandomState(), oauth.generateRandomCodeVerifier()]
  const url = new URL(`${publicUrl}${AUTHORIZE_PATH}`)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: SCOPE,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  return { state, verifier, url: url.href }
}

/**
 * Judges an answer of the token endpoint to a code or a refresh token. The signature of the token can't be checked: the
 * LMS signs with its own secret. The token is trusted since the LMS itself sent it in answer to this service's call.
 */
export function judgePerson(answer: Answer): Judged<Person> {
  const granted = judgeGrant(answer, 'LERNITO_CONSOLE', (error) => {
    // Recorded: sign-in.json, 'the code again'.
    if (error === 'invalid_grant' || error === 'invalid_request') {
      return refused(
        `The LMS does not accept this sign-in, or no longer accepts it (${error}): sign in again`,
        answer.status,
      )
    }
    const remedy = "give the OAuth application LERNITO_CONSOLE_CLIENT_ID the grant type 'authorization code' in the LMS"
    return misconfigured(answer, `The LMS rejects sign-ins through this application (${error}): ${remedy}`)
  })
  if (!granted.ok) return granted
  const read = claims.safeParse(claimsOf(granted.value.access_token))
  if (!read.success) {
    return misconfigured(
      answer,
      'The LMS does not say whether this person is staff: allow the scopes profile and email to the OAuth application LERNITO_CONSOLE_CLIENT_ID',
    )
  }
  return succeeded({ ...read.data, refreshToken: granted.value.refresh_token ?? null })
}

/** `status` is that of the LMS's answer, or null if the LMS was not asked. */
function refused(message: string, status: number | null = null): Failed {
  return failed({ kind: 'refused', endpoint: TOKEN_ENDPOINT, status, message })
}

/**
 * Anyone can put an error into the browser's address, so only a code is quoted, and only one that looks like a code.
 */
function codeOf(error: unknown): string {
  const code = error instanceof oauth.AuthorizationResponseError ? error.error : null
  return code !== null && /^[a-z_]{1,40}$/.test(code) ? code : 'the answer does not belong to this attempt'
}
