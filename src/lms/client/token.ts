import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { type Answer, notUnderstood } from './answer.ts'
import { failed, type Judged, succeeded } from './failure.ts'
import { askForToken, claimsOf, judgeGrant, TOKEN_ENDPOINT } from './token-endpoint.ts'
import type { LmsRequest } from './transport.ts'

const EARLY_MS = 60_000

export interface Token {
  /** The JWT, for `Authorization: JWT …`. */
  readonly value: string
  /** The service user's name in the LMS. */
  readonly username: string
  /** Whether the service user is staff; null if the LMS doesn't say. */
  readonly administrator: boolean | null
  /** Whether the service user is active; null if the LMS doesn't say. It also accepts the token of an inactive one. */
  readonly active: boolean | null
  /** How long it is valid, from when it was requested, in ms. */
  readonly lifeMs: number
}

export interface Tokens {
  /** A token that stays valid for a while. */
  get(): Promise<Judged<Token>>
  /**
   * A new token in place of the one that the LMS just refused. Callers with the same refused token share one request.
   */
  renew(refused: string): Promise<Judged<Token>>
}

/** `email_verified` is Django's `is_active` (Open edX, oauth_dispatch/jwt.py; recorded: oauth.json). */
const claims = z.object({
  preferred_username: z.string().min(1),
  administrator: z.boolean().optional(),
  email_verified: z.boolean().optional(),
})

/**
 * Gets tokens with client credentials. All calls share one token. It is renewed a minute before it expires (or a tenth
 * of its life before, if that is less), and when an API refuses it.
 * @param from.url LERNITO_LMS_URL
 * @param from.send makes the call; the token endpoint takes no token
 */
export function createTokens(from: {
  url: URL
  clientId: string
  clientSecret: string
  now: () => number
  send: (request: LmsRequest) => Promise<Judged<Answer>>
}): Tokens {
  let current: { token: Token; renewAt: number } | null = null
  let request: Promise<Judged<Token>> | null = null

  async function ask(): Promise<Judged<Token>> {
    const askedAt = from.now()
    const judged = await requestToken(from)
    if (judged.ok) {
      const { lifeMs } = judged.value
      current = { token: judged.value, renewAt: askedAt + lifeMs - Math.min(EARLY_MS, lifeMs / 10) }
    }
    return judged
  }

  async function get(): Promise<Judged<Token>> {
    if (current !== null && from.now() < current.renewAt) return succeeded(current.token)
    request ??= ask().finally(() => {
      request = null
    })
    return request
  }

  return {
    get,
    renew(refused) {
      if (current?.token.value === refused) current = null
      return get()
    },
  }
}

async function requestToken(from: Parameters<typeof createTokens>[0]): Promise<Judged<Token>> {
  const server = { issuer: from.url.href, token_endpoint: new URL(TOKEN_ENDPOINT, from.url).href }
  const client = { client_id: from.clientId }
  const secret = oauth.ClientSecretPost(from.clientSecret)
  const answer = await askForToken({
    // For this grant only, oauth4webapi takes the parameters as a separate argument.
    grant: ({ additionalParameters = {}, ...options }) =>
      oauth.clientCredentialsGrantRequest(server, client, secret, additionalParameters, options),
    send: from.send,
  })
  return answer.ok ? judgeToken(answer.value) : answer
}

/** Judges an answer of the token endpoint. A refusal is a misconfiguration, and its message names the setting. */
export async function judgeToken(answer: Answer): Promise<Judged<Token>> {
  const misconfigured = (message: string) =>
    failed({ kind: 'misconfigured', endpoint: TOKEN_ENDPOINT, status: answer.status, message })
  const granted = await judgeGrant(answer, (error) => misconfigured(refusalWords(error)))
  if (!granted.ok) return granted
  const { access_token: value, token_type: type, expires_in: seconds } = granted.value
  if (type !== 'jwt') {
    return misconfigured('The LMS gave a token that is not a JWT: its version is older than this service supports')
  }
  const read = claims.safeParse(claimsOf(value))
  if (!read.success || seconds === undefined) return notUnderstood(answer, TOKEN_ENDPOINT)
  const { preferred_username: username, administrator = null, email_verified: active = null } = read.data
  return succeeded({ value, username, administrator, active, lifeMs: seconds * 1000 })
}

function refusalWords(error: string): string {
  if (error === 'invalid_client') {
    return 'The LMS does not know LERNITO_LMS_CLIENT_ID with LERNITO_LMS_CLIENT_SECRET (invalid_client)'
  }
  if (error === 'unauthorized_client' || error === 'unsupported_grant_type') {
    const remedy = "give the OAuth application LERNITO_LMS_CLIENT_ID the grant type 'client credentials' in the LMS"
    return `The LMS gives this application no token (${error}): ${remedy}`
  }
  return `The LMS gives no token (${error}): check the OAuth application LERNITO_LMS_CLIENT_ID in the LMS`
}
