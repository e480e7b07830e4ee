import type { AppContext } from '../../queue/open-inbox.ts'
import { readShopViews } from '../../queue/outbox/outbox.ts'
import { isId } from '../../sale/ids.ts'
import type { Json } from '../../sale/json/json.ts'
import { type FieldErrors, readFields, readTexts } from '../../sale/payload/rules.ts'
import { type Answered, type OfShop, refusal, signedRoutes } from '../signature/signed-routes.ts'
import type { Verified } from '../webhook/receive.ts'

export const STATUS_PATH = '/api/lernito/status/'

/**
 * Adds the route at which the shop asks for the results of its sales. A request is signed as a webhook is, and what is wrong
 * with it is answered as for a webhook.
 */
export function statusRoute({ database, guard, ...parts }: OfShop & Pick<AppContext, 'database' | 'guard'>): void {
  const handle = async ({ json }: Verified): Promise<Answered> => {
    const asked = readStatusRequest(json)
    if ('errors' in asked) return refusal({ status: 400, message: asked.errors })
    const { ids } = asked
    const found = await guard(() => readShopViews({ trx: database.db }, ids.filter(isId)))
    const deliveries = ids.flatMap((id) => found.get(id) ?? [])
    return { status: 200, body: { success: true, deliveries, unknown: ids.filter((id) => !found.has(id)) } }
  }
  const unavailable = 'The status cannot be read now. Ask again later'
  signedRoutes({ ...parts, urls: [STATUS_PATH], unavailable, handle })
}

/** How many deliveries one request may ask for. */
const STATUS_MAX = 100

/** The ids in a request, each once and in its order; or what is wrong with it, by field as for the webhook. */
function readStatusRequest(json: Json): { readonly ids: readonly string[] } | { readonly errors: FieldErrors } {
  const read = readFields(json)
  if ('errors' in read) return read
  const deliveries = readTexts(read.fields.get('deliveries'))
  if ('errors' in deliveries) return { errors: { deliveries: deliveries.errors } }
  const ids = deliveries.value
  if (ids.length === 0) return { errors: { deliveries: ['This list may not be empty.'] } }
  if (ids.length > STATUS_MAX) {
    return { errors: { deliveries: [`Ensure this field has no more than ${STATUS_MAX} elements.`] } }
  }
  return { ids: [...new Set(ids)] }
}
