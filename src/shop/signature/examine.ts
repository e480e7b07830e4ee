import { canonicalJson } from '../../sale/json/canonical.ts'
import { type Json, JsonSyntaxError } from '../../sale/json/json.ts'
import { readBody } from '../../sale/json/utf8.ts'
import { authenticate } from '../webhook/receive.ts'
import { isSignature, SIGNATURE_FORMS, type SignatureForm, STYLES } from './signature.ts'
import { STANDARD_FORM, STANDARD_HEADERS, type StandardFault } from './standard.ts'

/** A text over which the service accepts a signature. */
export interface SignedText {
  readonly form: Exclude<SignatureForm, 'raw'> | typeof STANDARD_FORM
  readonly text: string
  /** The first difference of a form of the JSON from the body, in characters from 0; null if there is none. */
  readonly differsAt: number | null
}

/** The result for a body and its signature. It contains neither a secret nor a signature. */
export interface Examined {
  /** The form that the signature was made over; null if it matches none. */
  readonly match: { readonly form: SignatureForm | typeof STANDARD_FORM; readonly previousSecret: boolean } | null
  /** Why the service refuses the headers; null if it doesn't. Besides the faults of Standard Webhooks: no 64 hex digits. */
  readonly fault: StandardFault | 'not_hex' | null
  /** Why the body is not JSON. The service refuses such a body with 400, whatever its signature. */
  readonly notJson: string | null
  /** What the shop can sign, beside the exact body. */
  readonly texts: readonly SignedText[]
}

interface Given {
  /** As a browser sends a text field: with CRLF for each line break. */
  readonly body: string
  /** The value of X-Lernito-Signature or of webhook-signature. */
  readonly header: string
  readonly id: string
  readonly timestamp: string
  /** The current one first. */
  readonly secrets: readonly string[]
  /** ms since 1970 */
  readonly now: number
}

/** Judges a signature as the service does, and lists the texts that the shop can sign. */
export function examine({ header, id, timestamp, secrets, now, ...given }: Given): Examined {
  const body = given.body.replaceAll('\r\n', '\n')
  const read = readBody(body)
  const [json, notJson] = read instanceof JsonSyntaxError ? [null, read.message] : [read, null]
  const judge = (headers: Record<string, string>) => authenticate({ headers, body, json, secrets, now })
  const { id: idHeader, timestamp: timeHeader, signature } = STANDARD_HEADERS
  const asOriginal = judge({ 'x-lernito-signature': header })
  // A webhook-id beside an X-Lernito-Signature changes nothing, so the form that matches comes first.
  const isStandard = typeof asOriginal === 'string' && (id !== '' || timestamp !== '' || /^\s*v\d/.test(header))
  const verified = isStandard ? judge({ [idHeader]: id, [timeHeader]: timestamp, [signature]: header }) : asOriginal
  const isWrong = typeof verified === 'string'
  const match = isWrong ? null : { form: verified.form, previousSecret: verified.secretIndex > 0 }
  if (isStandard) {
    const texts: SignedText[] = [{ form: STANDARD_FORM, text: `${id}.${timestamp}.${body}`, differsAt: null }]
    return { match, fault: isWrong ? verified : null, notJson, texts }
  }
  const fault = isSignature(header) ? null : 'not_hex'
  return { match, fault, notJson, texts: notJson === null ? canonicalTexts(body, json) : [] }
}

function canonicalTexts(body: string, json: Json): SignedText[] {
  const texts = new Set<string>()
  return SIGNATURE_FORMS.flatMap((form) => {
    if (form === 'raw') return []
    const text = canonicalJson(json, STYLES[form])
    if (texts.has(text)) return []
    texts.add(text)
    return [{ form, text, differsAt: firstDifference(body, text) }]
  })
}

function firstDifference(a: string, b: string): number | null {
  if (a === b) return null
  const [left, right] = [[...a], [...b]]
  const at = left.findIndex((character, index) => character !== right[index])
  return at === -1 ? left.length : at
}
