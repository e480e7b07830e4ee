import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, piecesOf, type Style, written } from '../../sale/json/canonical.ts'
import { type Json, JsonSyntaxError } from '../../sale/json/json.ts'
import { readBody } from '../../sale/json/utf8.ts'

/**
 * What a signature signs: `raw`, the bytes as they are sent; `original`, Python's
 * `json.dumps(body, sort_keys=True, separators=(",", ":"))`, which the original plugin expects; `readme`, the same
 * without `separators`, as in the script of the original's README; `…_utf8`, the two with `ensure_ascii=False`. In
 * verify's order of preference: a body that is sent in the original's form counts as raw.
 */
export const SIGNATURE_FORMS = ['raw', 'original', 'readme', 'original_utf8', 'readme_utf8'] as const
export type SignatureForm = (typeof SIGNATURE_FORMS)[number]

/** How each form except raw writes the JSON. */
export const STYLES = {
  original: { spaces: false, ascii: true },
  readme: { spaces: true, ascii: true },
  original_utf8: { spaces: false, ascii: false },
  readme_utf8: { spaces: true, ascii: false },
} as const satisfies Record<Exclude<SignatureForm, 'raw'>, Style>

/** `secretIndex` is the index of the secret that matched, so that an operator sees whether the previous one is in use. */
export interface Match {
  readonly form: SignatureForm
  readonly secretIndex: number
}

const SIGNATURE = /^[0-9a-f]{64}$/

/** Whether a value of X-Lernito-Signature has the form of a signature: exactly 64 lower-case hex digits. */
export const isSignature = (header: string | undefined): header is string =>
  header !== undefined && SIGNATURE.test(header)

/**
 * Returns the value of X-Lernito-Signature for a body: HMAC-SHA256 as 64 lower-case hex digits. `body` must be exactly
 * what you send, a JSON document as text or as UTF-8 bytes; an empty one counts as `{}`. `form` states what the signature
 * signs, by default the raw body. Throws an Error with the reason if a form other than raw can't read the body, and for a
 * lone surrogate (U+D800 to U+DFFF) in raw and the UTF-8 forms, because UTF-8 can't encode it.
 */
export function sign(input: { body: string | Uint8Array; form?: SignatureForm; secret: string }): string {
  const { form = 'raw', secret } = input
  const body = input.body.length === 0 ? '{}' : input.body
  const signed = form === 'raw' ? body : canonicalJson(readable(body), STYLES[form])
  if (typeof signed === 'string' && !signed.isWellFormed()) {
    throw new Error('The body holds a lone surrogate (U+D800 to U+DFFF), which has no UTF-8')
  }
  return hmac(secret, signed).toString('hex')
}

function readable(body: string | Uint8Array): Json {
  const json = readBody(body)
  if (json instanceof JsonSyntaxError) throw json
  return json
}

/**
 * Finds the form and the secret that a signature was made with; null if none matches. `body` is the body as received,
 * `json` the result of readJson, `header` the value of X-Lernito-Signature (Node joins repeated headers with ", ", which
 * never matches). It compares every form with every secret, each in constant time, so the duration reveals nothing about
 * a secret.
 */
export function verify(input: {
  body: string | Uint8Array
  json: Json
  header: string | undefined
  secrets: readonly string[]
}): Match | null {
  if (!isSignature(input.header)) return null
  const given = Buffer.from(input.header, 'hex')
  const candidates = signables(input)
  let match: Match | null = null
  for (const [secretIndex, secret] of input.secrets.entries()) {
    for (const { form, signed } of candidates) {
      const equal = timingSafeEqual(hmac(secret, signed), given)
      if (equal && match === null) match = { form, secretIndex }
    }
  }
  return match
}

/**
 * What may have been signed, in the order of the forms. It depends only on the body. A text that Python can't encode is
 * left out, because no sender can have signed it.
 */
function signables({ body, json }: { body: string | Uint8Array; json: Json }) {
  // Recorded: lernito-webhook.json, "empty body, canonical {} signed" is accepted, "empty body" signed as raw is refused.
  const raw = { form: 'raw' as const, signed: body.length === 0 ? '{}' : body }
  const pieces = piecesOf(json)
  const signable = (form: keyof typeof STYLES) => ({ form, signed: written(pieces, STYLES[form]) })
  const original = signable('original')
  const inAscii = [raw, original, signable('readme')]
  const inUtf8 = signable('original_utf8')
  if (inUtf8.signed === original.signed || !inUtf8.signed.isWellFormed()) return inAscii
  return [...inAscii, inUtf8, signable('readme_utf8')]
}

const hmac = (secret: string, signed: string | Uint8Array): Buffer =>
  createHmac('sha256', secret).update(signed).digest()
