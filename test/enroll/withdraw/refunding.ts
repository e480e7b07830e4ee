import { sign } from '../../../src/shop/signature/signature.ts'
import { signStandard } from '../../../src/shop/signature/standard.ts'
import { type Answered, type Buyer, exchange, payload, SECRET } from '../../harness.ts'

export interface Sent {
  readonly status: number
  readonly headers: Answered['headers']
  readonly json: unknown
}

/** The headers of Standard Webhooks for this body, signed now. */
export function standard(body: string, id: string): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = signStandard({ id, timestamp, body, secret: SECRET })
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signature }
}

export const lernito = (body: string): Record<string, string> => ({
  'x-lernito-signature': sign({ body, form: 'original', secret: SECRET }),
})

/** Posts a body to one of the shop's paths. */
export async function post(of: {
  url: string
  path: 'webhook' | 'refund'
  body: string
  headers?: Record<string, string>
}): Promise<Sent> {
  const { url, path, body, headers = {} } = of
  const json = { 'content-type': 'application/json' }
  const answered = await exchange({ url: `${url}/api/lernito/${path}/`, headers: { ...json, ...headers }, body })
  return { status: answered.status, headers: answered.headers, json: JSON.parse(answered.text) }
}

/** Refunds as the shop does: by Standard Webhooks if there is an id, else with X-Lernito-Signature. */
export function refund({
  url,
  id,
  sale,
  ...buyer
}: Buyer & { url: string; id?: string; sale?: unknown }): Promise<Sent> {
  const body = sale === undefined ? payload(buyer) : JSON.stringify({ ...JSON.parse(payload(buyer)), sale })
  return post({ url, path: 'refund', body, headers: id === undefined ? lernito(body) : standard(body, id) })
}
