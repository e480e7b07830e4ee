import { JsonSyntaxError } from '../../sale/json/json.ts'
import { readBody } from '../../sale/json/utf8.ts'
import { type Match, verify as verifyBody } from './signature.ts'

/**
 * The export `lernito-openedx/signature` of the published package, for programs that send webhooks and for their tests.
 * It needs only Node.js.
 */

export { type Match, type SignatureForm, sign } from './signature.ts'
export { signStandardWebhook } from './standard.ts'

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
