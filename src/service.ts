import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { createIds } from './delivery/ids.ts'
import { LONGEST_WAIT_MS } from './enrollment/schedule.ts'
import { AppError } from './errors.ts'
import { openInbox } from './inbox/open-inbox.ts'
import { createOperations } from './operations/create-operations.ts'
import { readBacklog } from './operations/overview.ts'
import type { Timing } from './replicas/timing.ts'
import { mountConsole } from './service/console.ts'
import { lmsOf } from './service/lms.ts'
import { buildServer } from './service/server.ts'
import { createWork } from './service/work.ts'
import type { Settings } from './settings/settings.ts'
import { errorFields, type Log } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { createNotifier, type Notifier, textPoster } from './telemetry/notify.ts'
import { createObserver } from './telemetry/observer.ts'

/** A stop ends within 8 s; a container is killed after 10. */
const STOP_MS = 6_000
/** After the last answer is ready: for it to be sent. Then a connection is cut that is silent or in half a request. */
const LINGER_MS = 500

/**
 * Wires the parts by hand. Opens the database, and listens to nothing before `start`. Throws AppError of the
 * database.* codes.
 */
export function buildService({
  settings,
  log,
  now = Date.now,
  random = Math.random,
  timing,
}: {
  settings: Settings
  log: Log
  now?: () => number
  random?: () => number
  /** Of the heartbeat between replicas. */
  timing?: Timing
}) {
  const newName = createIds({ now })
  const metrics = createMetrics({
    now: () => opened.now(),
    breakerState: () => work.breakerState()?.kind ?? 'closed',
    pausedCourses: () => work.pausedCourses().length,
    budgetFullness: () => work.budgetFullness() ?? 1,
    replicas: () => replicas.liveCount(),
    databaseReason: () => availability.reason(),
    backlog: () => availability.guard(() => readBacklog(database.db)),
  })
  const notifier = notifierFor({ settings, log })
  const observer = createObserver({ log, metrics, notifier, now })
  const opened = openInbox({
    url: settings.LERNITO_DATABASE_URL,
    ...(timing === undefined ? {} : { timing }),
    newName: () => `${hostname().slice(0, 9)}-${newName()}`,
    now,
    longestWaitMs: LONGEST_WAIT_MS,
    random,
    publish: observer.onEvent,
    onError: observer.onError,
    onAvailability: observer.onDatabase,
    onReleased: observer.onReleased,
  })
  const { database, inbox, context, replicas, lease, availability, membership } = opened
  // The LMS serves all replicas together, so each has its share of the calls, and none has less than one.
  const most = settings.LERNITO_LMS_CONCURRENCY
  const concurrency = { most, now: () => Math.max(1, Math.floor(most / replicas.liveCount())) }
  const lms = lmsOf({
    settings,
    concurrency: concurrency.now,
    mayCall: lease.signal,
    now: opened.now,
    onCall: observer.onCall,
  })
  const leaving = new AbortController()
  const stopping = new AbortController()
  const work = createWork({ settings, opened, lms, concurrency, observer, random, signal: stopping.signal })
  const secrets = [settings.LERNITO_WEBHOOK_SECRET, settings.LERNITO_WEBHOOK_SECRET_PREVIOUS].filter(
    (secret) => secret !== undefined,
  )
  const { app, refusers } = buildServer({
    settings,
    log,
    now: opened.now,
    inbox,
    secrets,
    metrics,
    observer,
    databaseReason: availability.reason,
    leaving: leaving.signal,
    stopping: stopping.signal,
  })
  const { guard } = availability
  mountConsole({
    settings,
    log,
    app,
    db: database.db,
    operations: createOperations({
      context,
      guard,
      replicas: replicas.liveCount,
      publish: observer.onEvent,
      onDue: inbox.claimOrphansSoon,
    }),
    liveState: { breaker: work.breakerState, pausedCourses: work.pausedCourses, budget: work.budgetFullness },
    refusedSenders: refusers,
    secrets,
    now: opened.now,
    guard,
    onCall: observer.onCall,
  })
  let working: Promise<void> = Promise.resolve()

  const begin = (url: string, left: number): void => {
    if (stopping.signal.aborted) return
    if (left > 0) log.info({ deliveries: left }, 'unfinished deliveries found; work on them goes on')
    working = work.run()
    log.info({ url, lms: settings.LERNITO_LMS_URL }, 'ready for webhooks')
  }

  return {
    app,

    /**
     * Migrates, takes up what a dead process left, listens, and works. Gives the address. A database on a server may
     * come later: until then webhooks get 503.
     */
    start: async (): Promise<string> => {
      const left = database.dialect.exclusive ? await membership.enter() : null
      const url = await listen({ app, settings })
      if (left !== null) {
        begin(url, left)
        membership.run(() => {})
      } else {
        log.info({ url, database: database.name }, 'listening')
        membership.run(() => begin(url, 0))
      }
      return url
    },

    /**
     * Serves on for LERNITO_DRAIN_MS, so that proxies see that it leaves. Then no new requests; what is in flight is
     * finished and answered, or left for the next start, within 6 s. Afterwards nothing is running any more.
     */
    stop: async (): Promise<void> => {
      leaving.abort()
      log.info('stopping')
      if (settings.LERNITO_DRAIN_MS > 0) await delay(settings.LERNITO_DRAIN_MS)
      stopping.abort()
      const closed = app.close()
      const told = notifier?.stop()
      const late = Promise.withResolvers<void>()
      const hurry = setTimeout(() => {
        log.warn('the LMS or the database is slow; unfinished deliveries are left for the next start')
        inbox.close()
        void lms.close()
        late.resolve()
      }, STOP_MS)
      await Promise.race([working, late.promise])
      clearTimeout(hurry)
      inbox.close()
      const left = membership.leave()
      const cut = setTimeout(() => app.server.closeAllConnections(), LINGER_MS)
      await closed
      clearTimeout(cut)
      await left
      await lms.close()
      await database.close()
      await Promise.race([told, delay(LINGER_MS, undefined, { ref: false })])
      log.info('stopped')
    },
  }
}
export type Service = ReturnType<typeof buildService>

/** For LERNITO_NOTIFY_URL; null without one. */
function notifierFor({ settings, log }: { settings: Settings; log: Log }): Notifier | null {
  const { LERNITO_NOTIFY_URL: url, LERNITO_PUBLIC_URL: publicUrl, LERNITO_CONSOLE_CLIENT_ID: clientId } = settings
  if (url === undefined) return null
  return createNotifier({
    post: textPoster({ url }),
    console: publicUrl !== undefined && clientId !== undefined ? `${publicUrl}/lernito/console/` : null,
    onError: (error) => log.warn(errorFields(error), 'a notification did not arrive; it is sent again in a minute'),
  })
}

async function listen({
  app,
  settings,
}: {
  app: { listen: (options: { host: string; port: number }) => Promise<string> }
  settings: Settings
}): Promise<string> {
  const { LERNITO_HOST: host, LERNITO_PORT: port } = settings
  try {
    return await app.listen({ host, port })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError(
      'address.in_use',
      `The service can't listen on ${host} port ${port}: ${why}. Stop what listens there, or set LERNITO_HOST and LERNITO_PORT.`,
      { cause },
    )
  }
}
