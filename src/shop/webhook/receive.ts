import { digestOf } from '../../sale/json/canonical.ts'
import { type Json, JsonSyntaxError } from '../../sale/json/json.ts'
import { readBody } from '../../sale/json/utf8.ts'
import { aboutOf, readPayload } from '../../sale/payload/rules.ts'
import type { VerifiedWebhook } from '../../sale/types.ts'
import { type SignatureForm, verify } from '../signature/signature.ts'
import {
  STANDARD_FAULTS,
  STANDARD_FORM,
  STANDARD_HEADERS,
  type StandardFault,
  verifyStandard,
} from '../signature/standard.ts'

const UNREADABLE = ['method', 'media_type', 'encoding', 'json'] as const
/**
 * They are also values of a metric label, so keep them few. `json`: the body is not JSON in UTF-8. From `signature` to
 * `too_new`: the faults of a signature, which all get the same answer. `refund_id`, `sale_id`: signed, but a sale under
 * the webhook-id of a refund, and the reverse. `sale_reused`, `refund_reused`: a sale under the id of another sale, a refund
 * under that of another refund.
 */
export const REFUSAL_CODES = [
  ...UNREADABLE,
  ...STANDARD_FAULTS,
  'refund_id',
  'sale_id',
  'sale_reused',
  'refund_reused',
] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]

/** As Node provides them: names in lower case, several values of one name joined with ", ". */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** A verified signature. `secretIndex`: which secret made it. */
interface Authenticated {
  readonly form: SignatureForm | typeof STANDARD_FORM
  readonly secretIndex: number
  /** The sender's name for this webhook, if it signs by Standard Webhooks. */
  readonly webhookId?: string
}

/** Not signed, or the signature can't be checked: answered and counted, never stored. */
export interface Refused {
  readonly status: 400 | 401 | 405 | 415
  readonly code: RefusalCode
  readonly body: { readonly success: false; readonly message: string; readonly detail?: string }
}

/** A request whose signature is right. */
export interface Verified extends Authenticated {
  /** As received, and read. */
  readonly body: Uint8Array
  readonly json: Json
}

/**
 * Reads the sale of a request whose signature is right. One that breaks the payload rules is stored as rejected. Pure;
 * throws nothing.
 */
export function readSale({ json, body, form, webhookId }: Verified): VerifiedWebhook {
  const verified = { digest: digestOf(json), form, body, ...(webhookId === undefined ? {} : { webhookId }) }
  const payload = readPayload(json)
  if ('request' in payload) return { ...verified, request: payload.request, reason: null }
  const reason = { code: 'payload.invalid', subject: JSON.stringify(payload.errors) } as const
  return { ...verified, request: null, about: aboutOf(json), reason }
}

/**
 * Judges a request of the shop whose media type is right, in a fixed order: UTF-8 and JSON, signature. The original reads
 * the body before it checks the signature, so a body that is not JSON gets a 400 even without one (recorded:
 * lernito-webhook.json, "not JSON and no signature"). Pure; throws nothing, whatever the sender sends.
 * @param of.secrets the current one first
 * @param of.now ms since 1970
 */
export function verifyRequest(of: {
  headers: Headers
  body: Uint8Array
  secrets: readonly string[]
  now: number
}): Refused | Verified {
  const { body } = of
  const json = readBody(body)
  if (json instanceof JsonSyntaxError) return unread(400, 'json', `JSON parse error - ${json.message}`)
  const authenticated = authenticate({ ...of, json })
  // The cause is for the log: the answer is the same for each, so that it tells a stranger nothing.
  if (typeof authenticated === 'string') return refused(401, authenticated, 'Invalid signature')
  return { ...authenticated, body, json }
}

/**
 * Verifies the signature in the headers with each secret, or returns the fault. If there is a webhook-signature, only
 * Standard Webhooks counts, so that a wrong or old one is never accepted for the other header. A header that can't be a
 * signature is refused without a look at a secret.
 * @param of.body the body as received; `json` is the same, read
 * @param of.now ms since 1970
 */
export function authenticate(of: {
  headers: Headers
  body: string | Uint8Array
  json: Json
  secrets: readonly string[]
  now: number
}): Authenticated | StandardFault {
  const { headers, ...given } = of
  const signature = headerOf(headers, STANDARD_HEADERS.signature)
  if (signature === undefined) {
    return verify({ ...given, header: headerOf(headers, 'x-lernito-signature') }) ?? 'signature'
  }
  const id = headerOf(headers, STANDARD_HEADERS.id)
  const timestamp = headerOf(headers, STANDARD_HEADERS.timestamp)
  const verified = verifyStandard({ ...given, id, timestamp, signature })
  return typeof verified === 'string' ? verified : { ...verified, form: STANDARD_FORM }
}

/** The value of a header as one text, or undefined if it is missing. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}

const MISUSED_IDS = {
  refund_id: 'This webhook-id is that of a refund. Send the sale under an id of its own',
  sale_id: 'This webhook-id is that of a sale. Send the refund under an id of its own',
  sale_reused: 'This webhook-id is that of another sale. Send each sale and each correction under an id of its own',
  refund_reused: 'This webhook-id is that of another refund. Send each refund under an id of its own',
} as const

/** The answer to a signed request whose webhook-id belongs to another one, so that it was not carried out. */
export const misusedId = (code: keyof typeof MISUSED_IDS): Refused => refused(400, code, MISUSED_IDS[code])

/** The answer to a method that is not allowed, in DRF's words. The route checks it before it calls verifyRequest. */
export const methodRefusal = (method: string): Refused => unread(405, 'method', `Method "${method}" not allowed.`)

/** The answer to a media type that is not supported, or null. The route checks it before it reads the body. */
export function mediaTypeRefusal(headers: Headers): Refused | null {
  const type = headerOf(headers, 'content-type') ?? ''
  const [mediaType = '', ...parameters] = type.split(';')
  if (mediaType.trim().toLowerCase() !== 'application/json' || !parameters.every(isUtf8)) {
    return unread(415, 'media_type', `Unsupported media type "${type}" in request.`)
  }
  const encoding = headerOf(headers, 'content-encoding') ?? 'identity'
  if (encoding.toLowerCase() === 'identity') return null
  return unread(415, 'encoding', `Unsupported content encoding "${encoding}" in request.`)
}

/** True also for a parameter other than charset. */
function isUtf8(parameter: string): boolean {
  const [name = '', value = ''] = parameter.split('=', 2)
  return name.trim().toLowerCase() !== 'charset' || /^\s*("?)utf-?8\1\s*$/i.test(value)
}

/** `detail`: DRF puts the texts about a request that it can't read there; all answers of this service have `message`. */
const refused = (status: Refused['status'], code: RefusalCode, message: string, detail = {}): Refused => {
  return { status, code, body: { success: false, message, ...detail } }
}
const unread = (status: 400 | 405 | 415, code: (typeof UNREADABLE)[number], text: string): Refused =>
  refused(status, code, text, { detail: text })
