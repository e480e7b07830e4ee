import { hostname } from 'node:os'
import { fastify } from 'fastify'
import { openDatabase } from './deliveries/database.ts'
import { createIds } from './deliveries/ids.ts'
import { createInbox } from './deliveries/inbox.ts'
import { migrate } from './deliveries/migrations.ts'
import { createStore } from './deliveries/store.ts'
import { runWorker } from './enrollment/worker.ts'
import { AppError } from './errors.ts'
import { answerErrors } from './http-errors.ts'
import { unlimitedBudget } from './openedx/budget.ts'
import { createLms } from './openedx/lms.ts'
import type { Settings } from './settings.ts'
import { healthRoutes } from './telemetry/health.ts'
import { errorFields, type Log, logEvent } from './telemetry/log.ts'
import { VERSION } from './version.ts'
import { BODY_LIMIT, webhookRoutes } from './webhook/route.ts'

/** Longer than Caddy's 120 s: a proxy that reuses a connection just closed answers 502. */
const KEEP_ALIVE_MS = 150_000
/** For the whole of a request to come in. */
const REQUEST_MS = 10_000
/** A stop ends within 8 s; a container is killed after 10. */
const STOP_MS = 7_000

/**
 * Wires the parts by hand. Opens the database, and listens to nothing before `start`. Throws AppError of the
 * database.* codes.
 */
export function buildService({
  settings,
  log,
  now = Date.now,
  random = Math.random,
}: {
  settings: Settings
  log: Log
  now?: () => number
  random?: () => number
}) {
  const database = openDatabase({ url: settings.LERNITO_DATABASE_URL, serve: true })
  const newId = createIds({ now })
  const me = `${hostname().slice(0, 9)}-${newId()}`
  const store = createStore({ db: database.db, me, now, newId })
  const onError = (error: unknown): void => log.error(errorFields(error), 'unexpected error; it is tried again')
  const inbox = createInbox({ store, now, publish: (event) => logEvent(log, event), onError })
  const budget = unlimitedBudget()
  const lms = createLms({
    url: settings.LERNITO_LMS_URL,
    clientId: settings.LERNITO_LMS_CLIENT_ID,
    clientSecret: settings.LERNITO_LMS_CLIENT_SECRET,
    version: VERSION,
    concurrency: settings.LERNITO_LMS_CONCURRENCY,
    now,
    onCall: (call) => log.debug(call, 'LMS call'),
  })
  const stopping = new AbortController()
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    http: { connectionsCheckingInterval: 500 }, // without it, Node looks for slow requests only every 30 s
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
  })
  answerErrors({ app, log })
  healthRoutes({ app, ready: async () => (stopping.signal.aborted ? 'the service is stopping' : null) })
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

  return {
    app,

    /** Migrates, takes up what a dead process left, listens, and works. Gives the address. */
    start: async (): Promise<string> => {
      await migrate({ db: database.db, now })
      const left = await store.takeOver()
      if (left > 0) log.info({ deliveries: left }, 'unfinished deliveries found; work on them goes on')
      const url = await listen({ app, settings })
      working = runWorker({
        inbox,
        lms,
        budget,
        concurrency: settings.LERNITO_LMS_CONCURRENCY,
        now,
        random,
        onError,
        signal: stopping.signal,
      })
      log.info({ url, lms: settings.LERNITO_LMS_URL }, 'ready for webhooks')
      return url
    },

    /**
     * No new requests; what is in flight is finished and answered, or left for the next start, within 7 s. Afterwards
     * nothing is running any more.
     */
    stop: async (): Promise<void> => {
      stopping.abort()
      log.info('stopping')
      const closed = app.close()
      const hurry = setTimeout(() => {
        log.warn('the LMS is slow; unfinished deliveries are left for the next start')
        inbox.close()
        void lms.close()
      }, STOP_MS)
      await working
      clearTimeout(hurry)
      inbox.close()
      await closed
      await lms.close()
      await database.close()
      log.info('stopped')
    },
  }
}
export type Service = ReturnType<typeof buildService>

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
