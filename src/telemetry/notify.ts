import type { DeliveryEvent } from '../delivery/types.ts'
import { type Alert, type BreakerReport, type Later, watchAlertConditions } from './alert-conditions.ts'

const COLLECT_MS = 10 * 60_000
const RETRY_MS = 60_000
/** While the receiver is unavailable, older notifications are dropped. */
const MAX_UNSENT = 20

export interface Notifier {
  onEvent(event: DeliveryEvent): void
  onBreaker(report: BreakerReport): void
  /** Sends the collected notifications at once. */
  stop(): Promise<void>
}

/**
 * Notifies operators that deliveries need attention (collected over 10 minutes), that the LMS has been down or
 * misconfigured for 10 minutes, and that it is available again. Notifications hold no personal data.
 * @param from.post sends one text; throws if it did not arrive
 * @param from.console the address of the console; null if the console is off
 * @param from.later calls `then` after `ms`; the returned function cancels it
 * @param from.onError called with the error of a text that did not arrive; the text is sent again every minute
 */
export function createNotifier({
  post,
  console,
  later = timer,
  onError,
}: {
  post: (text: string) => Promise<void>
  console: string | null
  later?: Later
  onError: (error: unknown) => void
}): Notifier {
  const queue = createQueue({ post, later, onError })
  const attention = collectAttention({ later, send: (count) => queue.send(attentionText({ count, console })) })
  const watch = watchAlertConditions({
    later,
    onAlert: (alert) => queue.send(alertText(alert)),
    onRecovered: () => queue.send('lernito-openedx: the LMS is available again, and queued deliveries are retried.'),
  })

  return {
    onEvent: ({ kind, deliveryId }) => {
      if (kind === 'needs_attention') attention.add(deliveryId)
    },

    onBreaker: watch.onBreaker,

    stop: async () => {
      queue.stopRetrying()
      watch.stop()
      attention.flush()
      await queue.idle()
    },
  }
}

/** Sends texts in order, and retries the first one until it arrives. */
function createQueue({
  post,
  later,
  onError,
}: {
  post: (text: string) => Promise<void>
  later: Later
  onError: (error: unknown) => void
}) {
  let unsent: string[] = []
  let sending: Promise<void> | null = null
  let retries = true

  const sendAll = async (): Promise<void> => {
    for (let text = unsent[0]; text !== undefined; text = unsent[0]) {
      try {
        await post(text)
        unsent.shift()
      } catch (error) {
        onError(error)
        if (retries) later(RETRY_MS, flush)
        return
      }
    }
  }
  const flush = (): void => {
    sending ??= sendAll().finally(() => {
      sending = null
    })
  }

  return {
    send: (text: string): void => {
      unsent = [...unsent, text].slice(-MAX_UNSENT)
      flush()
    },
    stopRetrying: (): void => {
      retries = false
    },
    /** Resolves when no text is being sent. */
    idle: async (): Promise<void> => {
      await sending
    },
  }
}

/** Collects the deliveries that need attention, and sends their count 10 minutes after the first one. */
function collectAttention({ later, send }: { later: Later; send: (count: number) => void }) {
  let deliveries = new Set<string>()
  let cancelTimer: (() => void) | null = null

  const flush = (): void => {
    cancelTimer?.()
    cancelTimer = null
    if (deliveries.size === 0) return
    send(deliveries.size)
    deliveries = new Set()
  }

  return {
    add: (deliveryId: string): void => {
      deliveries.add(deliveryId)
      cancelTimer ??= later(COLLECT_MS, flush)
    },
    flush,
  }
}

function attentionText({ count, console }: { count: number; console: string | null }): string {
  const what = count === 1 ? 'a delivery needs attention' : `${count} deliveries need attention`
  const where =
    console === null
      ? 'See: lernito-openedx deliveries list --state needs_attention'
      : `See ${console}deliveries?state=needs_attention`
  return `lernito-openedx: ${what}. ${where}`
}

function alertText({ kind, since, failure }: Alert): string {
  const from = new Date(since).toISOString().slice(0, 16).replace('T', ' ')
  const what =
    kind === 'misconfigured' ? 'the connection to the LMS has been misconfigured' : 'the LMS has been unavailable'
  return `lernito-openedx: ${what} since ${from} UTC. ${failure.message}. Deliveries are stored and wait.`
}

const POST_TIMEOUT_MS = 10_000

/**
 * Returns a function that posts `{"text": …}`, the format of incoming webhooks in Slack and compatible services. It
 * follows no redirect. Its errors don't contain the address, which is a secret.
 */
export function textPoster({ url }: { url: string }): (text: string) => Promise<void> {
  return async (text) => {
    let answer: Response
    try {
      answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
        redirect: 'manual',
        signal: AbortSignal.timeout(POST_TIMEOUT_MS),
      })
    } catch {
      throw new Error('LERNITO_NOTIFY_URL could not be reached')
    }
    await answer.body?.cancel()
    if (!answer.ok) throw new Error(`LERNITO_NOTIFY_URL answered ${answer.status}`)
  }
}

function timer(ms: number, then: () => void): () => void {
  const timeout = setTimeout(then, ms)
  timeout.unref()
  return () => clearTimeout(timeout)
}
