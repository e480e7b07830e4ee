import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** An attempt to send a text to operators; see src/notify/notifier.ts. */
export interface NotificationReport {
  readonly posted:
    | { readonly ok: true; readonly status: number }
    | { readonly ok: false; readonly status: number | null; readonly message: string }
  /** How many causes the text tells of. */
  readonly causes: number
  /** The pause before the next attempt, ms; null if the text arrived. */
  readonly retryInMs: number | null
}

/** Returns the callback for attempts to send a text to operators: a log line and a metric for each. */
export function observeNotifications({ log, metrics }: { log: Log; metrics: Pick<Metrics, 'onNotified'> }) {
  return ({ posted, causes, retryInMs }: NotificationReport): void => {
    metrics.onNotified(posted.status)
    const fields = { status: posted.status, causes }
    if (posted.ok) log.info(fields, 'notification sent')
    else log.warn({ ...fields, reason: posted.message, retryInMs }, 'notification failed; the service sends it again')
  }
}
