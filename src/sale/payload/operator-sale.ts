import { compactJson, digestOf } from '../json/canonical.ts'
import { isObject, type Json, JsonSyntaxError } from '../json/json.ts'
import { readBody } from '../json/utf8.ts'
import type { EnrollmentRequest, Source, VerifiedWebhook } from '../types.ts'
import { type FieldErrors, readPayload } from './rules.ts'

/** A sale that an operator makes, ready to be stored; or what is wrong with its fields, in the webhook's words. */
type OperatorSale =
  | { readonly webhook: VerifiedWebhook; readonly request: EnrollmentRequest }
  | { readonly errors: FieldErrors }

/**
 * A sale again, with another address, other courses, or both. All other fields of its payload stay, so that the
 * corrections of two sales differ wherever the sales do.
 * @param of.body the payload as the shop sent it
 * @param of.source who makes it; absent: an operator
 */
export function correctedSale(of: {
  body: Uint8Array
  email?: string | undefined
  courseIds?: readonly string[] | undefined
  source?: Exclude<Source, 'shop'>
}): OperatorSale {
  const { email, courseIds, source = 'correction' } = of
  const json = readBody(of.body)
  if (json instanceof JsonSyntaxError) return saleOf(null, source) // which the payload rules refuse
  if (!isObject(json)) return saleOf(json, source)
  const changes = [
    ...(email === undefined ? [] : [['email', email] as const]),
    ...(courseIds === undefined ? [] : [['courseIds', courseIds] as const]),
  ]
  return saleOf(new Map<string, Json>([...json, ...changes]), source)
}

/** A sale to try the way from the webhook to the LMS. `nonce` makes it another delivery than all test sales before. */
export function testSale(of: { email: string; courseIds: readonly string[]; nonce: string }): OperatorSale {
  const fields: [string, Json][] = [
    ['email', of.email],
    ['name', 'Test'],
    ['family', 'Sale'],
    ['username', 'test-sale'],
    ['courseIds', of.courseIds],
    ['testSale', of.nonce],
  ]
  return saleOf(new Map(fields), 'test')
}

function saleOf(json: Json, source: Exclude<Source, 'shop'>): OperatorSale {
  const payload = readPayload(json)
  if ('errors' in payload) return payload
  const { request } = payload
  const body = new TextEncoder().encode(compactJson(json))
  return { webhook: { digest: digestOf(json), form: source, body, request, reason: null, source }, request }
}
