import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { runBackfill } from './deliveries/backfill.ts'
import { runBulkReplays } from './deliveries/bulk-runner.ts'
import { createIds } from './deliveries/ids.ts'
import { openInbox, type Timing } from './deliveries/open-inbox.ts'
import { runRetention } from './deliveries/retention.ts'
import type { DeliveryEvent } from './deliveries/types.ts'
import { createLink } from './enrollment/link.ts'
import type { LinkState } from './enrollment/outage.ts'
import { runWorker } from './enrollment/worker.ts'
import { AppError } from './errors.ts'
import { createApp } from './http/app.ts'
import { openApiRoute } from './openapi/route.ts'
import { createBudget, unlimitedBudget } from './openedx/budget.ts'
import { createLms } from './openedx/lms.ts'
import type { Settings } from './settings/settings.ts'
import { healthRoutes } from './telemetry/health.ts'
import { errorFields, type Log, logEvent } from './telemetry/log.ts'
import { VERSION } from './version.ts'
import { BODY_LIMIT, webhookRoutes } from './webhook/route.ts'

/** A stop ends within 8 s; a container is killed after 10. */
const STOP_MS = 7_000
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
  const onError = (error: unknown): void => log.error(errorFields(error), 'unexpected error; it is tried again')
  const { database, inbox, means, replicas, availability, presence } = openInbox({
    url: settings.LERNITO_DATABASE_URL,
    ...(timing === undefined ? {} : { timing }),
    newName: () => `${hostname().slice(0, 9)}-${newId()}`,
    newId,
    now,
    random,
    publish: (event) => logEvent(log, event),
    onError,
    onAvailability: (reason) => logDatabase(log, reason),
    onFreed: (deliveries) => log.warn({ deliveries }, 'another replica is dead; its deliveries are free for all'),
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
    onCall: (call) => log.debug(call, 'LMS call'),
  })
  const leaving = new AbortController()
  const stopping = new AbortController()
  const app = createApp({ log, bodyLimit: BODY_LIMIT, stopping: stopping.signal })
  healthRoutes({ app, leaving: leaving.signal, ready: async () => availability.reason() })
  openApiRoute({ app, version: VERSION })
  webhookRoutes({
    app,
    inbox,
    secrets: [settings.LERNITO_WEBHOOK_SECRET, settings.LERNITO_WEBHOOK_SECRET_PREVIOUS].filter(
      (secret) => secret !== undefined,
    ),
    answerWithinMs: settings.LERNITO_ANSWER_WITHIN_MS,
    now,
    onRefused: (refused) => log.info(refused, 'webhook refused'),
  })
  let working: Promise<void> = Promise.resolve()

  const work = async (): Promise<void> => {
    const callsPerMinute = settings.LERNITO_LMS_CALLS_PER_MINUTE
    const lastUsedAt = await inbox.lastActivityAt().catch(now)
    const pace = { callsPerMinute, now, replicas: replicas.liveCount, lastUsedAt }
    const budget = callsPerMinute === 0 ? unlimitedBudget() : createBudget(pace)
    const link = createLink({ lms, inbox, budget, now, onChange: (state) => logLink(log, state) })
    const { signal } = stopping
    const days = settings.LERNITO_RETENTION_DAYS
    const onPurged = (deliveries: number): void => log.info({ deliveries, days }, 'old deliveries deleted')
    const onStepped = (events: readonly DeliveryEvent[]): void => {
      for (const event of events) logEvent(log, event)
      inbox.adoptNow()
    }
    await Promise.all([
      runWorker({ inbox, link, budget, concurrency, now, random, onError, signal }),
      runRetention({ db: database.db, days, now, onPurged, onError, signal }),
      runBulkReplays({ means, onStepped, onError, signal }),
      runBackfill({ means, onError, signal }),
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
     * finished and answered, or left for the next start, within 7 s. Afterwards nothing is running any more.
     */
    stop: async (): Promise<void> => {
      leaving.abort()
      log.info('stopping')
      if (settings.LERNITO_DRAIN_MS > 0) await delay(settings.LERNITO_DRAIN_MS)
      stopping.abort()
      const closed = app.close()
      const hurry = setTimeout(() => {
        log.warn('the LMS is slow; unfinished deliveries are left for the next start')
        inbox.close()
        void lms.close()
      }, STOP_MS)
      await working
      clearTimeout(hurry)
      inbox.close()
      const left = presence.leave()
      const cut = setTimeout(() => app.server.closeAllConnections(), LINGER_MS)
      await closed
      clearTimeout(cut)
      await left
      await lms.close()
      await database.close()
      log.info('stopped')
    },
  }
}
export type Service = ReturnType<typeof buildService>

function logDatabase(log: Log, reason: string | null): void {
  if (reason === null) log.info('the database can be used')
  else log.error({ reason }, 'the database can not be used; webhooks are refused until it can')
}

/** What keeps the LMS from being used, and that it is well again: a line for each change. */
function logLink(log: Log, state: LinkState): void {
  if (state.kind === 'up') log.info('the LMS is well again; work goes on')
  else
    log.warn(
      { state: state.kind, reason: state.failure.message },
      'the LMS can not be used; deliveries are kept and wait',
    )
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
