import { JsonSyntaxError } from '../../sale/json/json.ts'
import { readBody } from '../../sale/json/utf8.ts'
import { type Match, verify as verifyBody } from './signature.ts'
import { STANDARD_HEADERS, signStandard } from './standard.ts'

/**
 * The export `lernito-openedx/signature` of the published package, for programs that send webhooks and for their tests.
 * It needs only Node.js.
 */

export { type Match, type SignatureForm, sign } from './signature.ts'

/**
 * Verifies a signature as the service does. Returns the form and the index of the secret that it was made with, or null
 * if it matches none, or the body is not JSON. `signature` is the value of X-Lernito-Signature as received.
 */
export function verify({
  body,
  signature,
  secrets,
}: {
  body: string | Uint8Array
  signature: string | undefined
  secrets: readonly string[]
}): Match | null {
  const json = readBody(body)
  return json instanceof JsonSyntaxError ? null : verifyBody({ body, json, header: signature, secrets })
}

/**
 * Returns the three headers of Standard Webhooks 1.0 for a body. `body` must be exactly what you send. `id` is your name
 * for this webhook, of 1 to 256 printable ASCII characters without spaces: keep it when you send the same webhook again.
 * `now` is the time in ms since 1970, which you take anew each time. What follows `whsec_` in the secret is read as
 * base64; another secret is used as UTF-8. Throws an Error with the reason for an id or a secret that can't be used.
 */
export function signStandardWebhook({
  id,
  body,
  secret,
  now = Date.now(),
}: {
  id: string
  body: string | Uint8Array
  secret: string
  now?: number
}): { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string } {
  const timestamp = Math.floor(now / 1000)
  return {
    [STANDARD_HEADERS.id]: id,
    [STANDARD_HEADERS.timestamp]: String(timestamp),
    [STANDARD_HEADERS.signature]: signStandard({ id, timestamp, body, secret }),
  }
}
