import { signStandardWebhook } from '../../../src/shop/signature/published.ts'
import { type Answered, type Buyer, exchange, payload, SECRET, signed } from '../../harness.ts'

export interface Sent {
  readonly status: number
  readonly headers: Answered['headers']
  readonly json: unknown
}

/** The headers of Standard Webhooks for this body, signed now. */
export const standard = (body: string, id: string): Record<string, string> =>
  signStandardWebhook({ id, body, secret: SECRET })

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
  return post({ url, path: 'refund', body, headers: id === undefined ? signed(body) : standard(body, id) })
}
