import { isObject, type Json } from '../../sale/json/json.ts'
import { type FieldErrors, readTexts } from '../../sale/payload/rules.ts'

/** How many deliveries one request may ask for. */
export const STATUS_MAX = 100

/** The ids in a request for the status of deliveries, or what is wrong with it, by field as for the webhook. */
export function readStatusRequest(json: Json): { readonly ids: readonly string[] } | { readonly errors: FieldErrors } {
  if (!isObject(json)) return { errors: { non_field_errors: ['Invalid data. Expected a dictionary.'] } }
  const deliveries = readTexts(json.get('deliveries'))
  if ('errors' in deliveries) return { errors: { deliveries: deliveries.errors } }
  const ids = deliveries.value
  if (ids.length === 0) return { errors: { deliveries: ['This list may not be empty.'] } }
  if (ids.length > STATUS_MAX) {
    return { errors: { deliveries: [`Ensure this field has no more than ${STATUS_MAX} elements.`] } }
  }
  return { ids }
}
