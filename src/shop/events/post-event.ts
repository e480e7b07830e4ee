import { Pool } from 'undici'
import type { Posted } from '../../queue/outbox/store-result.ts'
import {
  connectionCause,
  connectionOptions,
  originOf,
  publicLookup,
  type Resolve,
  USER_AGENT,
} from '../../service/lib/outgoing-call.ts'
import { signStandardWebhook } from '../signature/standard.ts'

/** How many events a replica sends at once. Shops are small: more would only make their answers slower. */
export const CONCURRENCY = 4
/** How long an attempt may take, from connecting to the status of the answer, ms. */
const SEND_TIMEOUT_MS = 15_000
/** How much of an answer is read, so that its connection can be used again. What it says doesn't matter. */
const ANSWER_BYTES = 16 * 1024
/** These statuses refuse the event, and say nothing about the next one. */
const REFUSALS = [400, 409, 413, 422]

/**
 * Posts events to the shop's endpoint, signed by Standard Webhooks. It follows no redirect, checks certificates, and
 * connects to no host name that resolves to a private address.
 * @param from.url LERNITO_EVENTS_URL
 * @param from.now ms since 1970
 */
export function createPoster(from: {
  url: string
  secret: string
  now: () => number
  timeoutMs?: number
  resolve?: Resolve
}) {
  const { secret, now, timeoutMs = SEND_TIMEOUT_MS } = from
  const url = new URL(from.url)
  const pool = new Pool(url.origin, {
    connections: CONCURRENCY,
    ...connectionOptions({ lookup: publicLookup(url, from.resolve) }),
  })

  /** Sends an event once. Throws nothing. `stop` ends the attempt. */
  const post = async (event: { readonly id: string; readonly body: string }, stop: AbortSignal): Promise<Posted> => {
    const { id, body } = event
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([timeout, stop])
    try {
      const answer = await pool.request({
        method: 'POST',
        path: url.pathname + url.search,
        headers: {
          'content-type': 'application/json',
          'user-agent': USER_AGENT,
          ...signStandardWebhook({ id, body, secret, now: now() }),
        },
        body,
        signal,
      })
      await answer.body.dump({ limit: ANSWER_BYTES, signal }).catch(() => {})
      return postedOf(answer.statusCode, answer.headers.location)
    } catch (error) {
      if (stop.aborted) return { kind: 'stopped' }
      const why = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : connectionCause(error)
      return { kind: 'failed', status: null, message: `${url.host} can't be reached: ${why}`, isRefusal: false }
    }
  }
  return { post, close: () => pool.destroy() }
}
export type Poster = ReturnType<typeof createPoster>

function postedOf(status: number, location: string | string[] | undefined): Posted {
  if (status >= 200 && status < 300) return { kind: 'sent', status }
  if (status === 410) {
    const message = 'the endpoint answered 410 Gone: it wants no more events'
    return { kind: 'gone', status, message }
  }
  const message =
    status >= 300 && status < 400
      ? `the endpoint redirects (${status}) to ${originOf(location) ?? 'another address'}, and redirects are not followed: set LERNITO_EVENTS_URL to the address that answers itself`
      : `the endpoint answered ${status}`
  return { kind: 'failed', status, message, isRefusal: REFUSALS.includes(status) }
}
