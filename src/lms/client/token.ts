import { z } from 'zod'
import { type Answer, jsonOf, judgeOther, notUnderstood, readOk } from './answer.ts'
import { type Failed, failed, type Judged, succeeded, withEffect } from './failure.ts'
import type { LmsCall, LmsRequest, Transport } from './transport.ts'

export const TOKEN_ENDPOINT = '/oauth2/access_token'

/** The OAuth application of the service or of the console in the LMS. */
export interface Application {
  readonly clientId: string
  readonly clientSecret: string
}

/**
 * A request to the token endpoint, which takes a form (recorded: oauth.json, sign-in.json).
 * @param grant the fields of the grant
 * @param type the LMS gives an opaque token as `bearer`
 */
export function tokenRequest(
  { clientId, clientSecret }: Application,
  grant: Readonly<Record<string, string>>,
  type: 'jwt' | 'bearer' = 'jwt',
): LmsRequest {
  const form = new URLSearchParams({ ...grant, client_id: clientId, client_secret: clientSecret, token_type: type })
  const body = { contentType: 'application/x-www-form-urlencoded;charset=UTF-8', text: form.toString() }
  return { method: 'POST', endpoint: TOKEN_ENDPOINT, path: TOKEN_ENDPOINT, body, changes: false }
}

const granted = z.object({
  access_token: z.string().min(1),
  token_type: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['jwt', 'bearer'])),
  expires_in: z.number().positive().optional(),
  refresh_token: z.string().min(1).optional(),
})

/** A failure of the token endpoint that an operator has to correct. */
export const misconfigured = ({ status }: Answer, message: string): Failed =>
  failed({ kind: 'misconfigured', endpoint: TOKEN_ENDPOINT, status, message })

/**
 * Judges an answer of the token endpoint. 429 is its rate limit for each address: a page without Retry-After (Open edX,
 * oauth_dispatch/views.py, `RATELIMIT_RATE`; static_template_view/views.py, `render_429`). It never answers 403 itself, nor
 * 401 without an OAuth error.
 * @param application the first part of the names of its settings
 * @param refusal gives what another OAuth error code means for this grant
 */
export function judgeGrant(
  answer: Answer,
  application: 'LERNITO_LMS' | 'LERNITO_CONSOLE',
  refusal: (error: string) => Failed,
): Judged<z.output<typeof granted>> {
  if (answer.status === 429) {
    const message = 'The LMS limits the token requests from this address (429)'
    return failed({ ...judgeOther(answer).failure, message })
  }
  const error = oauthError(answer)
  if (error === null && (answer.status === 401 || answer.status === 403)) {
    const remedy = 'check the proxy and the firewall in front of it'
    return misconfigured(answer, `Something in front of the LMS blocks token requests (${answer.status}): ${remedy}`)
  }
  if (error === 'invalid_client') {
    const settings = `${application}_CLIENT_ID with ${application}_CLIENT_SECRET`
    return misconfigured(answer, `The LMS does not know ${settings} (invalid_client)`)
  }
  return error === null ? readOk(answer, granted) : refusal(error)
}

/** The claims of a JWT, unverified: the LMS itself sent it to us. undefined if the text isn't a JWT. */
export function claimsOf(jwt: string): unknown {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(jwt)) return undefined
  try {
    return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())
  } catch {
    return undefined
  }
}

const errorBody = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/) })

/** The OAuth error code of a refusal; null if the answer isn't one. */
export function oauthError(answer: Answer): string | null {
  if (answer.status !== 400 && answer.status !== 401) return null
  const read = errorBody.safeParse(jsonOf(answer))
  return read.success ? read.data.error : null
}

const EARLY_MS = 60_000
/** A token that replaced a refused one is not replaced itself so soon: the LMS would refuse the next one too. */
const JUST_GIVEN_MS = 5_000

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

/** The grant of the service user. */
export const CLIENT_CREDENTIALS = { grant_type: 'client_credentials' }

/**
 * What the tokens of the LMS say of their user. `email_verified` is Django's `is_active` (Open edX, oauth_dispatch/jwt.py;
 * recorded: oauth.json).
 */
export const userClaims = z.object({
  preferred_username: z.string().min(1),
  administrator: z.boolean().optional(),
  email_verified: z.boolean().optional(),
})

/**
 * Gets tokens with client credentials. All calls share one token. It is renewed a minute before it expires (or a tenth
 * of its life before, if that is less), and when an API refuses it.
 * @param from.ask makes the call; the token endpoint takes no token
 */
export function createTokens(from: Application & { now: () => number; ask: Ask }) {
  let current: { token: Token; renewAt: number } | null = null
  let replacedAt = Number.NEGATIVE_INFINITY
  let request: Promise<Judged<Token>> | null = null

  async function ask(): Promise<Judged<Token>> {
    const askedAt = from.now()
    const judged = await from.ask({ ...tokenRequest(from, CLIENT_CREDENTIALS), judge: judgeToken })
    if (judged.ok) {
      const { lifeMs } = judged.value
      const renewAt = askedAt + lifeMs - Math.min(EARLY_MS, lifeMs / 10)
      current = { token: judged.value, renewAt }
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
    /** A token that stays valid for a while. */
    get,
    /**
     * A new token in place of the one that the LMS just refused. Callers with the same refused token share one request.
     * null: the refused one was a new token itself.
     */
    async renew(refused: string): Promise<Judged<Token> | null> {
      if (current?.token.value !== refused) return get()
      const age = from.now() - replacedAt
      if (age >= 0 && age < JUST_GIVEN_MS) return null // a clock that was set back ends it
      replacedAt = from.now()
      current = null
      return get()
    },
  }
}
export type Tokens = ReturnType<typeof createTokens>

/**
 * Judges an answer of the token endpoint. A refusal is a misconfiguration, and its message names the setting. An LMS that
 * fails here is as good as away, whatever its heartbeat says, because no call of any sale goes without a token.
 */
export function judgeToken(answer: Answer): Judged<Token> {
  const judged = readToken(answer)
  if (judged.ok || judged.failure.kind !== 'server_error') return judged
  return failed({ ...judged.failure, kind: 'unreachable' })
}

function readToken(answer: Answer): Judged<Token> {
  const read = judgeGrant(answer, 'LERNITO_LMS', (error) => misconfigured(answer, refusalWords(error)))
  if (!read.ok) return read
  const { access_token: value, token_type: type, expires_in: seconds } = read.value
  if (type !== 'jwt') {
    return misconfigured(
      answer,
      'The LMS gave a token that is not a JWT: its version is older than this service supports',
    )
  }
  const claimed = userClaims.safeParse(claimsOf(value))
  if (!claimed.success || seconds === undefined) return notUnderstood(answer)
  const { preferred_username: username, administrator = null, email_verified: active = null } = claimed.data
  return succeeded({ value, username, administrator, active, lifeMs: seconds * 1000 })
}

function refusalWords(error: string): string {
  if (error === 'unauthorized_client' || error === 'unsupported_grant_type') {
    const remedy = "give the OAuth application LERNITO_LMS_CLIENT_ID the grant type 'client credentials' in the LMS"
    return `The LMS gives this application no token (${error}): ${remedy}`
  }
  return `The LMS gives no token (${error}): check the OAuth application LERNITO_LMS_CLIENT_ID in the LMS`
}

/** Makes a call, and judges the answer. */
export type Ask = <T>(call: LmsCall<T>) => Promise<Judged<T>>

/** Gives the function that sends requests with a token. If the LMS refuses the token, it sends again with a new one. */
export function createAsk({ transport, tokens }: { transport: Transport; tokens: Tokens }): Ask {
  async function sendWithToken(request: LmsRequest): Promise<Judged<Answer>> {
    const token = await tokens.get()
    if (!token.ok) return token
    const { value } = token.value
    const first = await transport.send(request, { authorization: `JWT ${value}` })
    if (!first.ok || first.value.status !== 401) return first
    const renewed = await tokens.renew(value)
    if (renewed !== null) {
      if (!renewed.ok) return renewed
      const second = await transport.send(request, { authorization: `JWT ${renewed.value.value}` })
      if (!second.ok || second.value.status !== 401) return second
    }
    const message = 'The LMS refuses a token that it just gave: check the clocks and its JWT_AUTH settings'
    return failed({ kind: 'misconfigured', endpoint: request.endpoint, status: 401, message })
  }

  return async (call) => {
    const sent = await sendWithToken(call)
    return sent.ok ? withEffect(call, call.judge(sent.value)) : sent
  }
}
