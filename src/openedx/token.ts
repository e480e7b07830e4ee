import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { type Answer, judgeOther, notUnderstood } from './answer.ts'
import { type Failed, failed, type Judged, succeeded } from './failure.ts'
import type { LmsRequest } from './transport.ts'

const ENDPOINT = '/oauth2/access_token'
const EARLY_MS = 60_000
/** A token endpoint that counts calls does so by the minute. */
const RATE_LIMIT_MS = 60_000

export interface Token {
  /** The JWT, for `Authorization: JWT …`. */
  readonly value: string
  /** The service user's name in the LMS. */
  readonly username: string
  /** Whether the service user is staff; null where the LMS doesn't say. */
  readonly administrator: boolean | null
  /** How long it is good for from when it was asked for, in ms. */
  readonly lifeMs: number
}

export interface Tokens {
  /** A token that is good for a while yet. */
  get(): Promise<Judged<Token>>
  /** Another token than the one that the LMS just refused. Many who were refused the same one share one call. */
  renew(refused: string): Promise<Judged<Token>>
}

const claims = z.object({ preferred_username: z.string().min(1), administrator: z.boolean().optional() })

/**
 * Tokens by client credentials, one for everybody: asked for once, renewed a minute before the end (a tenth of its
 * life where that is less), and when an API refuses it.
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
  let flight: Promise<Judged<Token>> | null = null

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
    flight ??= ask().finally(() => {
      flight = null
    })
    return flight
  }

  return {
    get,
    renew(refused) {
      if (current?.token.value === refused) current = null
      return get()
    },
  }
}

/** oauth4webapi builds the request; our transport sends it, so that its limits hold here too. */
async function requestToken(from: Parameters<typeof createTokens>[0]): Promise<Judged<Token>> {
  const sent: { answer: Judged<Answer> | null } = { answer: null }
  await oauth.clientCredentialsGrantRequest(
    { issuer: from.url.href, token_endpoint: new URL(ENDPOINT, from.url).href },
    { client_id: from.clientId },
    oauth.ClientSecretPost(from.clientSecret),
    { token_type: 'jwt' },
    {
      // An LMS in the same cluster is often reached over plain HTTP.
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async (_url, options) => {
        const body = { contentType: 'application/x-www-form-urlencoded;charset=UTF-8', text: options.body.toString() }
        sent.answer = await from.send({ method: 'POST', endpoint: ENDPOINT, path: ENDPOINT, body })
        return new Response()
      },
    },
  )
  if (sent.answer === null) throw new Error('oauth4webapi made no request')
  return sent.answer.ok ? judgeToken(sent.answer.value) : sent.answer
}

/**
 * Judges an answer of the token endpoint. Its refusals are misconfigurations, named by the setting; 403 is its own
 * rate limit, which other Open edX views word as 429 (openedx, `RATELIMIT_RATE`).
 */
export async function judgeToken(answer: Answer): Promise<Judged<Token>> {
  const { status } = answer
  const misconfigured = (message: string) => failed({ kind: 'misconfigured', endpoint: ENDPOINT, status, message })
  if (status === 403) return rateLimited()
  const refusal = oauthError(answer)
  if (refusal !== null) return misconfigured(refusalWords(refusal))
  if (status !== 200) return judgeOther(answer, ENDPOINT)

  let granted: oauth.TokenEndpointResponse
  try {
    granted = await oauth.processClientCredentialsResponse(
      { issuer: 'https://lms.invalid' },
      { client_id: 'any' },
      new Response(answer.text, { headers: { 'content-type': answer.contentType ?? '' } }),
      { recognizedTokenTypes: { jwt: () => {} } },
    )
  } catch {
    return notUnderstood(answer, ENDPOINT)
  }
  if (granted.token_type !== 'jwt') {
    return misconfigured('The LMS gave a token that is not a JWT: its version is older than this service supports')
  }
  const read = claims.safeParse(payloadOf(granted.access_token))
  if (!read.success || granted.expires_in === undefined) return notUnderstood(answer, ENDPOINT)
  return succeeded({
    value: granted.access_token,
    username: read.data.preferred_username,
    administrator: read.data.administrator ?? null,
    lifeMs: granted.expires_in * 1000,
  })
}

/** What a 403 of the token endpoint is. */
export function rateLimited(): Failed {
  const message = 'The LMS gives out no tokens for now (403): the rate limit of its token endpoint, by address'
  return failed({ kind: 'throttled', endpoint: ENDPOINT, status: 403, message, retryAfterMs: RATE_LIMIT_MS })
}

/** The JWT's claims, not verified: it is the LMS's own word to us, and the LMS verifies it. undefined: not a JWT. */
export function payloadOf(jwt: string): unknown {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(jwt)) return undefined
  try {
    return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())
  } catch {
    return undefined
  }
}

const errorBody = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/) })

/** The OAuth error code of a refusal; null if the answer is none. */
export function oauthError(answer: Answer): string | null {
  if (answer.status !== 400 && answer.status !== 401) return null
  try {
    return errorBody.parse(JSON.parse(answer.text)).error
  } catch {
    return null
  }
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
