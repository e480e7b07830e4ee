import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** An attempt to send an event to the shop; see src/shop/events/run-outbox.ts. Times are ms since 1970. */
export interface EventReport {
  readonly event: {
    readonly id: string
    readonly deliveryId: string
    readonly type: string
    readonly attempts: number
  }
  readonly posted:
    | { readonly kind: 'sent'; readonly status: number }
    | { readonly kind: 'failed' | 'gone'; readonly status: number | null; readonly message: string }
  readonly ms: number
  readonly retryAt: number | null
  /** The new state of the shop's endpoint, if this attempt changed it. */
  readonly change: { readonly state: 'up' | 'down' | 'gone'; readonly reason: string | null } | null
}

/** Returns the callback for attempts to send events to the shop: a log line and a metric for each. */
export function observeOutbox({ log, metrics }: { log: Log; metrics: Pick<Metrics, 'onEventSent'> }) {
  return ({ event: { id, deliveryId, type, attempts }, posted, ms, retryAt, change }: EventReport): void => {
    metrics.onEventSent(posted.status)
    const fields = { delivery: deliveryId, eventId: id, type, status: posted.status, ms, attempts }
    if (posted.kind === 'sent') log.info(fields, 'event sent to the shop')
    else if (retryAt === null) log.error({ ...fields, reason: posted.message }, 'event for the shop given up')
    else {
      const again = { reason: posted.message, retryAt: new Date(retryAt).toISOString() }
      log.warn({ ...fields, ...again }, 'event for the shop failed; it is sent again')
    }
    if (change !== null) logChange(log, change)
  }
}

function logChange(log: Log, { state, reason }: NonNullable<EventReport['change']>): void {
  if (state === 'up') log.info("the shop's endpoint accepts events again")
  else if (state === 'down') log.warn({ reason }, "the shop's endpoint fails; events wait")
  else log.error({ reason }, "the shop's endpoint wants no more events; none is sent until an operator sends again")
}
