import type { DeliveryEvent } from '../delivery/types.ts'
import { type Alert, type BreakerReport, type Later, watchAlertConditions } from './alert-conditions.ts'

const GATHER_MS = 10 * 60_000
const AGAIN_MS = 60_000
/** Older ones are given up while the receiver of the notifications is away. */
const MAX_UNSENT = 20

export interface Notifier {
  onEvent(event: DeliveryEvent): void
  onBreaker(report: BreakerReport): void
  /** Sends at once what has been gathered. */
  stop(): Promise<void>
}

/**
 * Tells somebody who is not looking: that deliveries need attention (gathered over 10 minutes), that the LMS has been
 * down or misconfigured for 10 minutes, and that it is well again. No personal data is in it.
 * @param from.post sends one text; throws if it did not arrive
 * @param from.console the address of the console, where there is one
 * @param from.later calls `then` in `ms`; the returned function calls it off
 * @param from.onError told of a text that did not arrive; it is sent again every minute
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
  let unsent: string[] = []
  let sending: Promise<void> | null = null
  let needing = new Set<string>()
  let callOffGathering: (() => void) | null = null
  let stopped = false

  const sendAll = async (): Promise<void> => {
    for (let text = unsent[0]; text !== undefined; text = unsent[0]) {
      try {
        await post(text)
        unsent.shift()
      } catch (error) {
        onError(error)
        if (!stopped) later(AGAIN_MS, flush)
        return
      }
    }
  }
  const flush = (): void => {
    sending ??= sendAll().finally(() => {
      sending = null
    })
  }
  const say = (text: string): void => {
    unsent = [...unsent, text].slice(-MAX_UNSENT)
    flush()
  }

  const sayGathered = (): void => {
    callOffGathering?.()
    callOffGathering = null
    if (needing.size === 0) return
    say(attentionText({ count: needing.size, console }))
    needing = new Set()
  }

  const watch = watchAlertConditions({
    later,
    onAlert: (trouble) => say(linkText(trouble)),
    onRecovered: () =>
      say('lernito-openedx: the LMS is well again, and the deliveries that waited are being worked on.'),
  })

  return {
    onEvent: ({ kind, deliveryId }) => {
      if (kind !== 'needs_attention') return
      needing.add(deliveryId)
      callOffGathering ??= later(GATHER_MS, sayGathered)
    },

    onBreaker: watch.onBreaker,

    stop: async () => {
      stopped = true
      watch.stop()
      sayGathered()
      await sending
    },
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

function linkText({ kind, since, failure }: Alert): string {
  const from = new Date(since).toISOString().slice(0, 16).replace('T', ' ')
  const what =
    kind === 'misconfigured'
      ? 'the LMS can not be used until somebody sets something right'
      : 'the LMS can not be reached'
  return `lernito-openedx: ${what}, since ${from} UTC. ${failure.message}. Deliveries are kept and wait.`
}

const POST_MS = 10_000

/**
 * Posts `{"text": …}`, as the incoming webhooks of Slack and its kin take it. No redirect is followed. What it throws
 * does not tell the address, which is a secret.
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
        signal: AbortSignal.timeout(POST_MS),
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
