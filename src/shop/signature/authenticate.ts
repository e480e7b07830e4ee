import type { Json } from '../../sale/json/json.ts'
import type { SignatureForm } from './signature.ts'
import { isSignature, verify } from './signature.ts'
import {
  readStandard,
  STANDARD_FORM,
  STANDARD_HEADERS,
  type StandardFault,
  type StandardSignature,
  verifyStandard,
} from './standard.ts'

/** As Node provides them: names in lower case, several values of one name joined with ", ". */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** The signature that a request claims to have, read but not verified. A fault can be refused without a secret. */
export type Claim =
  | { readonly kind: 'lernito'; readonly header: string }
  | { readonly kind: 'standard'; readonly standard: StandardSignature }
  | { readonly kind: 'fault'; readonly fault: StandardFault }

/** A verified signature. `secretIndex`: which secret made it. */
export interface Authenticated {
  readonly form: SignatureForm | typeof STANDARD_FORM
  readonly secretIndex: number
  /** The sender's name for this webhook, if it signs by Standard Webhooks. */
  readonly webhookId?: string
}

/**
 * Reads the signature in the headers. If there is a webhook-signature, only Standard Webhooks counts, so that a wrong or
 * old one is never accepted for the other header.
 */
export function claimOf(headers: Headers): Claim {
  const signature = headerOf(headers, STANDARD_HEADERS.signature)
  if (signature === undefined) {
    const header = headerOf(headers, 'x-lernito-signature')
    return isSignature(header) ? { kind: 'lernito', header } : { kind: 'fault', fault: 'signature' }
  }
  const id = headerOf(headers, STANDARD_HEADERS.id)
  const timestamp = headerOf(headers, STANDARD_HEADERS.timestamp)
  const standard = readStandard({ id, timestamp, signature })
  return typeof standard === 'string' ? { kind: 'fault', fault: standard } : { kind: 'standard', standard }
}

/**
 * Verifies a claim with each secret, or returns the fault.
 * @param of.body the body as received; `json` is the same, read
 * @param of.now ms since 1970
 */
export function authenticate(of: {
  claim: Claim
  body: Uint8Array
  json: Json
  secrets: readonly string[]
  now: number
}): Authenticated | StandardFault {
  const { claim, body, json, secrets, now } = of
  if (claim.kind === 'fault') return claim.fault
  if (claim.kind === 'lernito') return verify({ body, json, header: claim.header, secrets }) ?? 'signature'
  const { standard } = claim
  const verified = verifyStandard({ standard, body, secrets, now })
  return typeof verified === 'string' ? verified : { ...verified, form: STANDARD_FORM, webhookId: standard.id }
}

/** The value of a header as one text, or undefined if it is missing. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}
