import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { runBackfill } from './deliveries/backfill.ts'
import { runBulkReplays } from './deliveries/desk/bulk-runner.ts'
import { createDesk } from './deliveries/desk/create-desk.ts'
import { readBacklog } from './deliveries/desk/overview.ts'
import { createIds } from './deliveries/ids.ts'
import { openInbox, type Timing } from './deliveries/open-inbox.ts'
import { runRetention } from './deliveries/retention.ts'
import type { DeliveryEvent } from './deliveries/types.ts'
import { createLink, type Link } from './enrollment/link.ts'
import { runWorker } from './enrollment/worker.ts'
import { AppError } from './errors.ts'
import { createApp } from './http/app.ts'
import { shedLoad } from './http/pressure.ts'
import { openApiRoute } from './openapi/route.ts'
import { type Budget, createBudget, unlimitedBudget } from './openedx/budget.ts'
import { createLms } from './openedx/lms.ts'
import { mountConsole } from './service/console.ts'
import { tellFloods } from './service/floods.ts'
import type { Settings } from './settings/settings.ts'
import { healthRoutes } from './telemetry/health.ts'
import { errorFields, type Log } from './telemetry/log.ts'
import { createMetrics, metricsRoute } from './telemetry/metrics.ts'
import { createNotifier, type Notifier, textPoster } from './telemetry/notify.ts'
import { createObserver } from './telemetry/observer.ts'
import { VERSION } from './version.ts'
import { createRefusals } from './webhook/refusals.ts'
import { BODY_LIMIT, WEBHOOK_PATHS, webhookRoutes } from './webhook/route.ts'

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
  const newId = createIds({ now })
  /** What the worker works with, as soon as it works. */
  const at: { work: { link: Link; budget: Budget } | null } = { work: null }
  const metrics = createMetrics({
    now,
    linkState: () => at.work?.link.state().kind ?? 'up',
    budgetFullness: () => at.work?.budget.fullness() ?? 1,
    replicas: () => replicas.liveCount(),
    databaseReason: () => availability.reason(),
    backlog: () => availability.guard(() => readBacklog(database.db)),
  })
  const notifier = notifierFor({ settings, log })
  const observer = createObserver({ log, metrics, notifier, now })
  const { onError } = observer
  const { database, inbox, means, replicas, availability, presence } = openInbox({
    url: settings.LERNITO_DATABASE_URL,
    ...(timing === undefined ? {} : { timing }),
    newName: () => `${hostname().slice(0, 9)}-${newId()}`,
    newId,
    now,
    random,
    publish: observer.onEvent,
    onError,
    onAvailability: observer.onDatabase,
    onFreed: observer.onFreed,
  })
  const most = settings.LERNITO_LMS_CONCURRENCY
  const concurrency = { most, now: () => Math.max(1, Math.floor(most / replicas.liveCount())) }
  const lms = createLms({
    url: settings.LERNITO_LMS_URL,
    clientId: settings.LERNITO_LMS_CLIENT_ID,
    clientSecret: settings.LERNITO_LMS_CLIENT_SECRET,
    version: VERSION,
    concurrency: concurrency.now,
    now,
    onCall: observer.onCall,
  })
  const leaving = new AbortController()
  const stopping = new AbortController()
  const { LERNITO_TRUSTED_PROXIES: trustedProxies } = settings
  const [requests, refusals] = [createRefusals({ of: 'requests', now }), createRefusals({ of: 'webhooks', now })]
  const app = createApp({
    ...{ log, bodyLimit: BODY_LIMIT, trustedProxies, stopping: stopping.signal },
    onRefused: (refused) => observer.onRequestRefused(refused, requests.note(refused)),
  })
  tellFloods({ app, refusals: [requests, refusals], onFlood: observer.onFlood })
  shedLoad({ app, paths: WEBHOOK_PATHS, bodyLimit: BODY_LIMIT, onBegin: observer.onBusy, onEnd: observer.onCalm })
  healthRoutes({ app, leaving: leaving.signal, ready: async () => availability.reason() })
  openApiRoute({ app, version: VERSION })
  metricsRoute({ app, metrics })
  const secrets = [settings.LERNITO_WEBHOOK_SECRET, settings.LERNITO_WEBHOOK_SECRET_PREVIOUS].filter(
    (secret) => secret !== undefined,
  )
  webhookRoutes({
    app,
    inbox,
    secrets,
    answerWithinMs: settings.LERNITO_ANSWER_WITHIN_MS,
    now,
    onRefused: (refused) => observer.onRefused(refused, refusals.note(refused)),
    onAnswer: metrics.onAnswer,
    onPreviousSecret: observer.onPreviousSecret,
  })
  const { guard } = availability
  const publish = observer.onEvent
  mountConsole({
    ...{ settings, log, app, db: database.db, secrets, now, guard, onCall: observer.onCall },
    desk: createDesk({ means, guard, replicas: replicas.liveCount, publish, onDue: inbox.adoptNow }),
    refusers: refusals.top,
    live: { link: () => at.work?.link.state() ?? null, budget: () => at.work?.budget.fullness() ?? null },
  })
  let working: Promise<void> = Promise.resolve()

  const work = async (): Promise<void> => {
    const callsPerMinute = settings.LERNITO_LMS_CALLS_PER_MINUTE
    const lastUsedAt = await inbox.lastActivityAt().catch(now)
    const pace = { callsPerMinute, now, replicas: replicas.liveCount, lastUsedAt }
    const budget = callsPerMinute === 0 ? unlimitedBudget() : createBudget(pace)
    const link = createLink({ lms, inbox, budget, now, onChange: observer.onLink })
    at.work = { link, budget }
    const { signal } = stopping
    const { guard } = availability
    const days = settings.LERNITO_RETENTION_DAYS
    const onPurged = (deliveries: number): void => observer.onPurged({ deliveries, days })
    const onStepped = (events: readonly DeliveryEvent[]): void => {
      for (const event of events) observer.onEvent(event)
      inbox.adoptNow()
    }
    await Promise.all([
      runWorker({ inbox, link, budget, concurrency, now, random, onError, signal }),
      runRetention({ db: database.db, days, now, guard, onPurged, onError, signal }),
      runBulkReplays({ means, guard, onStepped, onError, signal }),
      runBackfill({ means, guard, onError, signal }),
    ])
  }

  const begin = (url: string, left: number): void => {
    if (stopping.signal.aborted) return
    if (left > 0) log.info({ deliveries: left }, 'unfinished deliveries found; work on them goes on')
    working = work()
    log.info({ url, lms: settings.LERNITO_LMS_URL }, 'ready for webhooks')
  }

  return {
    app,

    /**
     * Migrates, takes up what a dead process left, listens, and works. Gives the address. A database on a server may
     * come later: until then webhooks get 503.
     */
    start: async (): Promise<string> => {
      const left = database.dialect.exclusive ? await presence.enter() : null
      const url = await listen({ app, settings })
      if (left !== null) begin(url, left)
      else {
        log.info({ url, database: database.name }, 'listening')
        presence.run(() => begin(url, 0))
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
      const left = presence.leave()
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
