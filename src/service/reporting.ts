import type { openInbox } from '../inbox/open-inbox.ts'
import { readBacklog } from '../operations/overview.ts'
import { readOutboxBacklog } from '../outbox/list-events.ts'
import type { Settings } from '../settings/settings.ts'
import { errorFields, type Log } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { createNotifier, type Notifier, textPoster } from '../telemetry/notify.ts'
import { createObserver } from '../telemetry/observer.ts'
import type { createWork } from './work.ts'

interface Sources {
  readonly opened: Pick<ReturnType<typeof openInbox>, 'database' | 'replicas' | 'availability' | 'now'>
  readonly work: Pick<ReturnType<typeof createWork>, 'breakerState' | 'pausedCourses' | 'budgetFullness'>
}

/**
 * The log, the metrics and the notifications. `sources` is asked at each scrape of the metrics and never before: its
 * parts report to this observer, so they are created after it.
 */
export function createReporting({
  settings,
  log,
  now,
  sources,
}: {
  settings: Settings
  log: Log
  now: () => number
  sources: () => Sources
}) {
  const metrics = createMetrics({
    now: () => sources().opened.now(),
    breakerState: () => sources().work.breakerState()?.kind ?? 'closed',
    pausedCourses: () => sources().work.pausedCourses().length,
    budgetFullness: () => sources().work.budgetFullness() ?? 1,
    replicas: () => sources().opened.replicas.liveCount(),
    databaseReason: () => sources().opened.availability.reason(),
    backlog: () => {
      const { availability, database } = sources().opened
      return availability.guard(async () => {
        return { ...(await readBacklog(database.db)), outbox: await readOutboxBacklog(database.db) }
      })
    },
  })
  const notifier = createNotifierFor({ settings, log })
  return { metrics, notifier, observer: createObserver({ log, metrics, notifier, now }) }
}

/** The notifier that posts to LERNITO_NOTIFY_URL; null without that setting. */
function createNotifierFor({ settings, log }: { settings: Settings; log: Log }): Notifier | null {
  const { LERNITO_NOTIFY_URL: url, LERNITO_PUBLIC_URL: publicUrl, LERNITO_CONSOLE_CLIENT_ID: clientId } = settings
  if (url === undefined) return null
  return createNotifier({
    post: textPoster({ url }),
    console: publicUrl !== undefined && clientId !== undefined ? `${publicUrl}/lernito/console/` : null,
    onError: (error) => log.warn(errorFields(error), 'notification failed; the service sends it again in a minute'),
  })
}
