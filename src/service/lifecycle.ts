import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Lms } from '../lms/lms.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import type { Timing } from '../queue/replicas/timing.ts'
import type { ShopAnswers } from '../queue/shop-answers.ts'
import { AppError } from './lib/errors.ts'
import { saveIfLost, watchFile } from './lost-file.ts'
import type { Settings } from './settings/settings.ts'
import type { Log } from './telemetry/log.ts'

/** A stop ends within 8 s; container runtimes kill the process after 10 s. */
const STOP_MS = 6_000
/** The time to send the last answers. Then connections that are idle or in the middle of a request are closed. */
const LINGER_MS = 500

interface LifecycleParts {
  readonly settings: Settings
  readonly log: Log
  readonly app: FastifyInstance
  readonly opened: Pick<ReturnType<typeof openInbox>, 'database' | 'inbox' | 'membership' | 'now'>
  readonly timing: Timing
  readonly lms: Pick<Lms, 'close'>
  readonly work: { readonly run: () => Promise<void> }
  readonly shopAnswers: Pick<ShopAnswers, 'flush'>
  /** Aborted first: proxies see that the service leaves. */
  readonly leaving: AbortController
  /** Aborted next: no new request is served, and no new work begins. */
  readonly stopping: AbortController
}

/** The start and the stop of a service whose parts are wired. */
export function createLifecycle(parts: LifecycleParts) {
  const { app, log, opened, settings, stopping, work, timing } = parts
  const { database, membership } = opened
  const file = watchFile({ database, log, everyMs: timing.heartbeatMs, signal: parts.leaving.signal })
  let working: Promise<void> = Promise.resolve()

  const beginWork = (url: string, unfinished: number): void => {
    if (stopping.signal.aborted) return
    if (unfinished > 0) log.info({ deliveries: unfinished }, 'unfinished deliveries found; the service continues them')
    working = work.run()
    log.info({ url, lms: settings.LERNITO_LMS_URL }, 'ready for webhooks')
  }

  return {
    /** Resolves when the file of the database is lost: stop the service. */
    failed: file.lost,

    /**
     * Migrates, claims what a dead process left, listens, and begins to work. Returns the address of the service. A
     * database server may be down at the start: until it is up, webhooks get 503.
     */
    start: async (): Promise<string> => {
      const unfinished = database.dialect.exclusive ? await membership.enter() : null
      const url = await listen({ app, settings })
      if (unfinished !== null) {
        beginWork(url, unfinished)
        membership.run(() => {})
        void file.run()
      } else {
        log.info({ url, database: database.name }, 'listening')
        membership.run(() => beginWork(url, 0))
      }
      return url
    },

    /**
     * Keeps serving for LERNITO_DRAIN_MS, so that proxies see that the service leaves. Then it serves no new request,
     * and finishes and answers what is in flight, or leaves it for the next start, within 6 s. Afterwards nothing runs.
     * Throws AppError database.lost if the file of the database is lost; it is copied first.
     */
    stop: async (): Promise<void> => {
      parts.leaving.abort()
      log.info('stopping')
      if (settings.LERNITO_DRAIN_MS > 0 && !file.isLost()) await delay(settings.LERNITO_DRAIN_MS)
      stopping.abort()
      const closed = app.close()
      await finishWork(parts, working)
      const left = membership.leave()
      await closeConnections(app, closed)
      await parts.shopAnswers.flush().catch(() => {}) // not worth an error when the service stops
      await left
      await parts.lms.close()
      const lost = await saveIfLost({ database, now: opened.now() })
      await database.close()
      log.info('stopped')
      if (lost !== null) throw lost
    },
  }
}

/** Waits for the work in flight, for STOP_MS at most: what isn't settled by then stays unfinished in the database. */
async function finishWork({ log, lms, opened: { inbox } }: LifecycleParts, working: Promise<void>): Promise<void> {
  const abandoned = Promise.withResolvers<void>()
  const timeout = setTimeout(() => {
    log.warn('the LMS or the database is slow; unfinished deliveries wait for the next start')
    inbox.close()
    void lms.close()
    abandoned.resolve()
  }, STOP_MS)
  await Promise.race([working, abandoned.promise])
  clearTimeout(timeout)
  inbox.close()
}

/** `closed`: settles when the server has no connection left. */
async function closeConnections(app: FastifyInstance, closed: Promise<unknown>): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), LINGER_MS)
  await closed
  clearTimeout(cut)
}

async function listen({
  app,
  settings,
}: {
  app: Pick<FastifyInstance, 'listen'>
  settings: Settings
}): Promise<string> {
  const { LERNITO_HOST: host, LERNITO_PORT: port } = settings
  try {
    return await app.listen({ host, port })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError(
      'address.in_use',
      `The service can't listen on ${host} port ${port}: ${why}. Stop the program that listens there, or set LERNITO_HOST and LERNITO_PORT.`,
      { cause },
    )
  }
}
