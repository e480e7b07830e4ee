import { createHmac, timingSafeEqual } from 'node:crypto'
import { keyOf } from '../../service/lib/standard-key.ts'

/**
 * Signatures by Standard Webhooks 1.0 (standardwebhooks.com): HMAC-SHA256 over the id, the time and the bytes of the
 * body. The reference library for JavaScript isn't used, because it reads the body with JSON.parse (decision 2).
 */

/** The names of the headers, in lower case. */
export const STANDARD_HEADERS = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const

/** The name of this form of signature, beside those in signature.ts. */
export const STANDARD_FORM = 'standard'

/** How far the timestamp may differ from the receiver's clock, in seconds; the reference libraries have the same limit. */
export const TOLERANCE_S = 300
export const ID_MAX = 256
/** A sender gives one signature for each valid secret, so there are rarely more than two. */
export const SIGNATURES_MAX = 20

/**
 * Printable ASCII without spaces. Node joins repeated headers with ", ", so a repeated id never matches. A dot, which
 * joins the parts that are signed, may be in it: the time is digits and the body an object, so they divide in one way.
 */
const ID = new RegExp(`^[!-~]{1,${ID_MAX}}$`)
/** Whole seconds since 1970, without a leading zero. */
const TIMESTAMP = /^(?:0|[1-9]\d{0,11})$/
const ENTRY = /^[^,]+,[^,]+$/
const V1 = /^v1,([A-Za-z0-9+/]{43}=)$/

/**
 * Why a request doesn't verify.
 * - `webhook_id`: the id is missing, too long, or has a space or a character outside printable ASCII.
 * - `timestamp`: it is missing or no whole number of seconds.
 * - `signature_format`: no entry is `v1,` and 44 characters of base64, or there are too many entries, or one of them is
 *   not a version, a comma and a value.
 * - `signature`: no entry matches.
 * - `too_old`, `too_new`: the signature is right, but the timestamp is too far from our clock.
 */
export const STANDARD_FAULTS = [
  'signature',
  'signature_format',
  'webhook_id',
  'timestamp',
  'too_old',
  'too_new',
] as const
export type StandardFault = (typeof STANDARD_FAULTS)[number]

/**
 * Verifies a request by the values of the three headers, as received. Returns the index of the secret that matched and the
 * id, or the first fault. It compares every signature with every secret, each in constant time, and checks the time last,
 * so that a fault of time tells of a right signature.
 * @param of.body the body as received
 * @param of.now ms since 1970
 */
export function verifyStandard(of: {
  id: string | undefined
  timestamp: string | undefined
  signature: string
  body: string | Uint8Array
  secrets: readonly string[]
  now: number
}): { readonly secretIndex: number; readonly webhookId: string } | StandardFault {
  const { id, timestamp, signature, body, secrets, now } = of
  if (id === undefined || !ID.test(id)) return 'webhook_id'
  if (timestamp === undefined || !TIMESTAMP.test(timestamp)) return 'timestamp'
  const entries = signature.split(' ').filter((entry) => entry !== '')
  if (entries.length > SIGNATURES_MAX || !entries.every((entry) => ENTRY.test(entry))) return 'signature_format'
  // Other versions, such as v1a for public keys, are for receivers that know them.
  const given = entries.flatMap((entry) => V1.exec(entry)?.[1] ?? []).map((base64) => Buffer.from(base64))
  if (given.length === 0) return 'signature_format'
  let matched: number | null = null
  for (const [secretIndex, secret] of secrets.entries()) {
    const key = keyOf(secret)
    if (key === null) continue
    const right = Buffer.from(hmac({ id, timestamp, key, body }))
    for (const one of given) {
      const equal = timingSafeEqual(one, right)
      if (equal && matched === null) matched = secretIndex
    }
  }
  if (matched === null) return 'signature'
  const age = Math.floor(now / 1000) - Number(timestamp)
  if (age > TOLERANCE_S) return 'too_old'
  return age < -TOLERANCE_S ? 'too_new' : { secretIndex: matched, webhookId: id }
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
  const timestamp = String(Math.floor(now / 1000))
  if (!ID.test(id)) throw new Error(`The id must have 1 to ${ID_MAX} printable ASCII characters and no space`)
  if (!TIMESTAMP.test(timestamp)) throw new Error('The timestamp must be a whole number of seconds since 1970')
  const key = keyOf(secret)
  if (key === null) throw new Error('The secret begins with whsec_, but the rest is not base64')
  return {
    [STANDARD_HEADERS.id]: id,
    [STANDARD_HEADERS.timestamp]: timestamp,
    [STANDARD_HEADERS.signature]: `v1,${hmac({ id, timestamp, key, body })}`,
  }
}

/** The signature in base64. */
function hmac(of: { id: string; timestamp: string; key: Buffer; body: string | Uint8Array }): string {
  const { id, timestamp, key, body } = of
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
}
