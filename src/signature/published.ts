import type { SignatureForm } from './forms.ts'
import { JsonSyntaxError, readJson } from './json.ts'
import { type Match, sign as signBody, verify as verifyBody } from './signature.ts'
import { readUtf8, Utf8Error } from './utf8.ts'

/**
 * The entry `lernito-openedx/signature` of the published package, for those who send webhooks or test that they do.
 * It needs Node.js and nothing else.
 */

export type { Match, SignatureForm }

/** The name of the HTTP header that carries the signature. */
export const SIGNATURE_HEADER = 'X-Lernito-Signature'

/**
 * The value of the header for a body: 64 lower-case hex digits. `body` is what is sent, to the byte; `form` says what
 * of it is signed, the body as it is if left out. Throws an Error with the reason if a form other than raw needs to
 * read the body as JSON and can't.
 */
export function sign({
  body,
  secret,
  form = 'raw',
}: {
  body: string | Uint8Array
  secret: string
  form?: SignatureForm
}): string {
  return signBody({ body, form, secret })
}

/**
 * Judges a signature as the service does: the form and the number of the secret (from 0) that it was made with, or null
 * if it is none of a JSON body with one of the secrets. `signature` is the header's value as it came.
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
  const text = body.length === 0 ? '{}' : body
  try {
    const json = readJson(typeof text === 'string' ? text : readUtf8(text))
    return verifyBody({ body, json, header: signature, secrets })
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof Utf8Error) return null
    throw error
  }
}
