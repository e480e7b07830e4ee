import type { openInbox } from '../queue/open-inbox.ts'
import { isShopEvent } from '../queue/outbox/outbox.ts'
import type { DeliveryEvent } from '../sale/types.ts'
import { createPoster } from '../shop/events/post-event.ts'
import { CONCURRENCY, runOutbox } from '../shop/events/run-outbox.ts'
import { VERSION } from './lib/version.ts'
import type { WakeUp } from './lib/wake-up.ts'
import type { Settings } from './settings/settings.ts'
import type { Observer } from './telemetry/observer.ts'

/** Whether the shop gets events. */
export const hasOutbox = ({ LERNITO_EVENTS_URL: url }: Settings): boolean => url !== undefined

/** The same observer, which also wakes the outbox when there may be something to send. */
export const wakingOutbox = (observer: Observer, wakeUp: WakeUp): Observer => ({
  ...observer,
  onEvent: (event: DeliveryEvent): void => {
    observer.onEvent(event)
    if (isShopEvent(event.kind) || event.kind === 'sent_again') wakeUp.wake()
  },
})

/** Sends events to the shop until the signal is aborted, if LERNITO_EVENTS_URL is set. */
export async function startOutbox({
  settings: { LERNITO_EVENTS_URL: url, LERNITO_EVENTS_SECRET: secret },
  opened: { context, replicas, availability, lease },
  observer,
  wakeUp,
  signal,
}: {
  settings: Settings
  opened: Pick<ReturnType<typeof openInbox>, 'context' | 'replicas' | 'availability' | 'lease'>
  observer: Observer
  wakeUp: WakeUp
  signal: AbortSignal
}): Promise<void> {
  if (url === undefined || secret === undefined) return
  const userAgent = `lernito-openedx/${VERSION}`
  const poster = createPoster({ url, secret, userAgent, connections: CONCURRENCY, now: context.now })
  await runOutbox({
    context,
    replicas,
    guard: availability.guard,
    url,
    poster,
    maySend: lease.signal,
    wakeUp,
    onSent: observer.onEventSent,
    onError: observer.onError,
    signal,
  })
  await poster.close()
}
