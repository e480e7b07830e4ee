import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { mountConsole } from './console.ts'
import { AppError, messageOf } from './lib/errors.ts'
import { pause, within } from './lib/loop.ts'
import { codeOf } from './lib/outgoing-call.ts'
import { createParts, type Parts, type ServiceOptions } from './parts.ts'
import { buildServer } from './server.ts'
import { runWork } from './work.ts'

/** A stop ends within 8 s; container runtimes kill the process after 10 s. */
const STOP_MS = 6_000
/** The time to send the last answers. Then connections that are idle or in the middle of a request are closed. */
const LINGER_MS = 500
/** The time to store what is kept in memory. */
const FLUSH_MS = 500

/**
 * Wires the parts by hand. Opens the database, and listens to nothing before `start`. Throws AppError of the database.*
 * codes.
 */
export function buildService(options: ServiceOptions) {
  const parts = createParts(options)
  const app = buildServer(parts)
  mountConsole(app, parts)
  const running: Running = { app, lost: Promise.withResolvers<void>(), working: Promise.resolve() }
  return {
    app,
    /** Resolves when the file of the database is lost: stop the service. */
    failed: running.lost.promise,
    /**
     * Migrates, claims what a dead process left, listens, and begins to work. Returns the address of the service. A
     * database server may be down at the start: until it is up, webhooks get 503.
     */
    start: () => start(parts, running),
    /**
     * Keeps serving for LERNITO_DRAIN_MS, so that proxies see that the service leaves. Then it serves no new request, and
     * finishes and answers what is in flight, or leaves it for the next start, within 6 s. Afterwards nothing runs. Throws
     * AppError database.lost if the file of the database is lost; it is copied first.
     */
    stop: () => stop(parts, running),
  }
}

interface Running {
  readonly app: FastifyInstance
  /** Resolves when the file of the database is lost. */
  readonly lost: PromiseWithResolvers<void>
  /** Resolves when the background work has ended. */
  working: Promise<void>
}

async function start(parts: Parts, running: Running): Promise<string> {
  const { settings, log, database, membership, stopping } = parts
  const beginWork = (unfinished: number): void => {
    if (stopping.signal.aborted) return
    if (unfinished > 0)
      log.info({ deliveries: unfinished }, 'continuing with deliveries that were unfinished at the last stop')
    running.working = runWork(parts)
    log.info({ url, lms: settings.LERNITO_LMS_URL }, 'ready for webhooks')
  }
  const unfinished = database.dialect.exclusive ? await membership.enter() : null
  const url = await listen(running.app, parts)
  if (unfinished !== null) {
    beginWork(unfinished)
    membership.run(() => {})
    warnOfCopies(parts)
    void watchFile(parts, running.lost.resolve)
  } else {
    log.info({ url, database: database.name }, 'listening')
    membership.run(() => beginWork(0))
  }
  return url
}

/** The process before this one may have ended because the file was lost, and nobody may have read its last line. */
function warnOfCopies({ database, log }: Parts): void {
  const copies = database.place?.copies() ?? []
  if (copies.length > 0)
    log.warn(
      { database: database.name, copies },
      'a saved copy of a lost database file is beside the database and is not used; if sales are missing, put it in its place',
    )
}

async function stop(parts: Parts, running: Running): Promise<void> {
  const { settings, log, database, membership, leaving, stopping } = parts
  leaving.abort()
  log.info('stopping')
  if (settings.LERNITO_DRAIN_MS > 0 && !database.place?.isLost()) await delay(settings.LERNITO_DRAIN_MS)
  stopping.abort()
  const closed = running.app.close()
  await finishWork(parts, running.working)
  const left = membership.leave()
  await closeConnections(running.app, closed)
  // What can't be stored is worth neither an error nor a wait when the service stops.
  const flushed = [parts.senders, parts.shopAnswers].map((kept) => kept.flush().catch(() => {}))
  await within(FLUSH_MS, Promise.all(flushed))
  await left
  await parts.lms.close()
  const lost = await saveIfLost(parts)
  await database.close()
  log.info('stopped')
  if (lost !== null) throw lost
}

async function listen(app: FastifyInstance, { settings }: Parts): Promise<string> {
  const { LERNITO_HOST: host, LERNITO_PORT: port } = settings
  try {
    return await app.listen({ host, port })
  } catch (cause) {
    // Otherwise it is an address of another machine, or a port below 1024, and no program is in the way.
    const set = codeOf(cause) === 'EADDRINUSE' ? 'Stop the program that listens there, or set' : 'Set'
    throw new AppError(
      'address.in_use',
      `The service can't listen on ${host} port ${port} (${messageOf(cause)}). ${set} LERNITO_HOST and LERNITO_PORT to something else.`,
      { cause },
    )
  }
}

/** Waits for the work in flight, for STOP_MS at most: what isn't settled by then stays unfinished in the database. */
async function finishWork({ log, lms, inbox }: Parts, working: Promise<void>): Promise<void> {
  const isDone = await within(
    STOP_MS,
    working.then(() => true),
  )
  if (!isDone)
    log.warn('stopped waiting for the LMS or the database; unfinished deliveries continue after the next start')
  inbox.close()
  if (!isDone) void lms.close()
}

/** `closed`: settles when the server has no connection left. */
async function closeConnections(app: FastifyInstance, closed: Promise<unknown>): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), LINGER_MS)
  await closed
  clearTimeout(cut)
}

/** Calls `onLost` once the file of the database is no longer at its path, and ends then or at the stop. A server has no file. */
async function watchFile({ database, log, timing, leaving: { signal } }: Parts, onLost: () => void): Promise<void> {
  while (!signal.aborted) {
    if (database.place?.isLost()) {
      log.error({ database: database.name }, 'the database file was deleted, moved or replaced; the service stops')
      return onLost()
    }
    await pause(timing.heartbeatMs, signal)
  }
}

/**
 * Call it when nothing is stored any more, and before the database is closed: the file may have no name, and is gone when
 * it is closed. Returns the error with which the service ends, if the file is lost: it names the copy of the file.
 */
async function saveIfLost({ database: { name, place }, now }: Parts): Promise<AppError | null> {
  if (!place?.isLost()) return null
  const happened = `The database file ${name} was deleted, moved or replaced while the service used it`
  try {
    const copy = await place.saveCopy(now())
    const message = `${happened}. All that the service has stored is in ${copy}. Stop the service, and put this copy in the place of ${name}; docs/how-to/back-up-and-restore.md says how.`
    return new AppError('database.lost', message)
  } catch (cause) {
    const message = `${happened}, and what it held could not be copied (${messageOf(cause)}). Stop the service, and restore the backup or the moved file; docs/how-to/back-up-and-restore.md says how.`
    return new AppError('database.lost', message, { cause })
  }
}
