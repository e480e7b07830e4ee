import type { CircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import { type NotifyTiming, runNotifier } from '../operators/notify/notifier.ts'
import { createTestNotification, createTextPoster, type TestNotification } from '../operators/notify/post-text.ts'
import type { ConsoleUrl } from '../operators/notify/words.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import { hasOutbox } from './outbox.ts'
import type { Settings } from './settings/settings.ts'
import type { Observer } from './telemetry/observer.ts'

/** The address of the console for the links in notifications; null if it is off, or operators reach it only on this machine. */
const consoleUrlOf = ({
  LERNITO_PUBLIC_URL: url,
  LERNITO_CONSOLE_CLIENT_ID: id,
  LERNITO_CONSOLE_CLIENT_SECRET: secret,
}: Settings): ConsoleUrl =>
  url !== undefined && id !== undefined && secret !== undefined ? `${url}/lernito/console/` : null

/** Sends notifications until the signal is aborted, if LERNITO_NOTIFY_URL is set. */
export async function startNotifier({
  settings,
  opened: { context, replicas, availability },
  breaker,
  observer,
  notifyTiming,
  signal,
}: {
  settings: Settings
  opened: Pick<ReturnType<typeof openInbox>, 'context' | 'replicas' | 'availability'>
  breaker: CircuitBreaker
  observer: Observer
  notifyTiming: NotifyTiming
  signal: AbortSignal
}): Promise<void> {
  const { LERNITO_NOTIFY_URL: url } = settings
  if (url === undefined) return
  await runNotifier({
    context,
    guard: availability.guard,
    me: replicas.me,
    post: createTextPoster({ url }),
    console: consoleUrlOf(settings),
    hasOutbox: hasOutbox(settings),
    isLmsBack: (kind) => breaker.probe(kind, signal),
    onNotified: observer.onNotified,
    timing: notifyTiming,
    clock: () => performance.now(),
    onError: observer.onError,
    signal,
  })
}

/** Sends a test notification; null without LERNITO_NOTIFY_URL. */
export function testNotificationOf({
  settings,
  opened: { context, availability },
  observer,
}: {
  settings: Settings
  opened: Pick<ReturnType<typeof openInbox>, 'context' | 'availability'>
  observer: Observer
}): TestNotification | null {
  const { LERNITO_NOTIFY_URL: url } = settings
  if (url === undefined) return null
  return createTestNotification({
    context,
    guard: availability.guard,
    post: createTextPoster({ url }),
    console: consoleUrlOf(settings),
    publish: observer.onEvent,
  })
}
