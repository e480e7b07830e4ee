import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { type Answer, jsonOf, judgeOther, notUnderstood } from './answer.ts'
import { type Failed, failed, type Judged, succeeded } from './failure.ts'
import { waitAfterThrottle } from './retry-after.ts'
import type { LmsRequest } from './transport.ts'

export const TOKEN_ENDPOINT = '/oauth2/access_token'

/** A request to the token endpoint, which takes a form (recorded: oauth.json). */
export function tokenRequest(form: URLSearchParams): LmsRequest {
  const body = { contentType: 'application/x-www-form-urlencoded;charset=UTF-8', text: form.toString() }
  return { method: 'POST', endpoint: TOKEN_ENDPOINT, path: TOKEN_ENDPOINT, body }
}

/**
 * Requests a token with any grant. oauth4webapi builds the request; our transport sends it, so that its limits apply
 * here too. Every answer of the LMS is a success here; judgeGrant judges it.
 * @param from.grant makes one of oauth4webapi's requests with the given options
 * @param from.send the transport; the token endpoint takes no token
 */
export async function askForToken(from: {
  grant: (options: oauth.TokenEndpointRequestOptions) => Promise<Response>
  send: (request: LmsRequest) => Promise<Judged<Answer>>
}): Promise<Judged<Answer>> {
  const sent: { answer: Judged<Answer> | null } = { answer: null }
  await from.grant({
    additionalParameters: { token_type: 'jwt' },
    [oauth.allowInsecureRequests]: true, // an LMS in the same cluster often uses plain HTTP
    [oauth.customFetch]: async (_url, { body }) => {
      sent.answer = await from.send(tokenRequest(body))
      return new Response() // nobody reads it: judgeGrant gets the answer
    },
  })
  if (sent.answer === null) throw new Error('oauth4webapi made no request')
  return sent.answer
}

/**
 * Judges an answer of the token endpoint. 429 is its rate limit for each address: a page without Retry-After (Open edX,
 * oauth_dispatch/views.py, `RATELIMIT_RATE`; static_template_view/views.py, `render_429`). It never answers 403 itself.
 * @param refusal gives what an OAuth error code means for this grant
 */
export async function judgeGrant(
  answer: Answer,
  refusal: (error: string) => Failed,
): Promise<Judged<oauth.TokenEndpointResponse>> {
  if (answer.status === 429) return rateLimited(answer)
  if (answer.status === 403) return blocked()
  const error = oauthError(answer)
  if (error !== null) return refusal(error)
  if (answer.status !== 200) return judgeOther(answer, TOKEN_ENDPOINT)
  try {
    const granted = await oauth.processGenericTokenEndpointResponse(
      { issuer: 'https://lms.invalid' }, // compared only with an id_token, which the LMS doesn't send
      { client_id: 'any' },
      new Response(answer.text, { headers: { 'content-type': answer.contentType ?? '' } }),
      { recognizedTokenTypes: { jwt: () => {} } },
    )
    return succeeded(granted)
  } catch {
    return notUnderstood(answer, TOKEN_ENDPOINT) // oauth4webapi's message may contain the token
  }
}

function rateLimited({ retryAfter, receivedAt }: Answer): Failed {
  const message = 'The LMS limits the token requests from this address (429)'
  const retryAfterMs = waitAfterThrottle({ retryAfter, text: '', receivedAt })
  return failed({ kind: 'throttled', endpoint: TOKEN_ENDPOINT, status: 429, message, retryAfterMs })
}

function blocked(): Failed {
  const message =
    'Something in front of the LMS blocks token requests (403): check the proxy and the firewall in front of it'
  return failed({ kind: 'misconfigured', endpoint: TOKEN_ENDPOINT, status: 403, message })
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
