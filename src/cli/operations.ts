import { userInfo } from 'node:os'
import { reasonOf } from '../database/availability.ts'
import { openDatabase } from '../database/database.ts'
import { createDatabaseClock } from '../database/dialect.ts'
import { inspectDatabase } from '../database/inspect.ts'
import { KNOWN_LEVEL } from '../database/migrations/migrations.ts'
import { createOperations, type Operations } from '../operators/changes/operations.ts'
import type { Shown, Summary } from '../operators/find/listing.ts'
import { idsBeginning } from '../operators/find/search.ts'
import type { AppContext } from '../queue/open-inbox.ts'
import { TIMING } from '../queue/replicas/timing.ts'
import { createIds } from '../sale/ids.ts'
import { AppError } from '../service/lib/errors.ts'
import { INBOX_SETTINGS, type InboxSettings, readSettings } from '../service/settings/settings.ts'
import { loadDotEnv } from './command.ts'
import { plain } from './plain.ts'

const INSPECT_MS = 10_000

/** What a command gets of the inbox: what a service has of it, but nobody hears of the events. */
export interface Opened extends Pick<AppContext, 'context' | 'guard'> {
  readonly operations: Operations
  readonly settings: InboxSettings
  readonly vacuum: ReturnType<typeof openDatabase>['vacuum']
}

/**
 * Opens the inbox, calls `use` with it and closes it; returns what `use` returns. A service may be running on it. Neither
 * creates nor migrates a database, and demands no settings but those of the inbox. Throws AppError of the settings.* and
 * database.* codes.
 */
export async function withOperations<Result>(use: (opened: Opened) => Promise<Result>): Promise<Result> {
  loadDotEnv()
  const settings = readSettings({ env: process.env, schema: INBOX_SETTINGS })
  const { LERNITO_DATABASE_URL: url, LERNITO_DATABASE_CA_FILE: ca } = settings
  await assertUsable({ url, ca })
  const database = openDatabase({ url, ca, serve: false })
  const { now, measure } = createDatabaseClock({ database, wall: Date.now })
  const hasOutbox = settings.LERNITO_EVENTS_URL !== undefined
  const context = { database, now, newId: createIds({ now }), random: Math.random, hasOutbox, publish: () => {} }
  const shared: Pick<Opened, 'context' | 'guard'> = { context, guard: (work) => work() }
  const operations = createOperations(shared)
  try {
    await measure()
    return await use({ ...shared, operations, settings, vacuum: database.vacuum })
  } catch (error) {
    if (database.dialect.errorKindOf(error) !== 'unavailable') throw error
    throw unusable({ url, name: database.name, reason: reasonOf(error) })
  } finally {
    await database.close()
  }
}

async function assertUsable({ url, ca }: { url: string; ca: string | undefined }): Promise<void> {
  const inspected = await inspectDatabase({
    url,
    ca,
    now: Date.now,
    deadAfterMs: TIMING.deadAfterMs,
    signal: AbortSignal.timeout(INSPECT_MS),
  })
  const { name } = inspected
  if (!inspected.ok) throw unusable({ url, name, reason: inspected.reason })
  const { level, oldestCode } = inspected.found
  if (level === 0) {
    throw new AppError(
      'database.unreachable',
      `No service has used the database ${name} yet. Run the command where the service runs and with the same LERNITO_DATABASE_URL.`,
    )
  }
  if (oldestCode > KNOWN_LEVEL) {
    throw new AppError(
      'database.too_new',
      `A newer lernito-openedx has upgraded ${name}. Run the command of that version.`,
    )
  }
  if (level < KNOWN_LEVEL) {
    throw new AppError(
      'database.too_old',
      `The database ${name} is not up to date. Start this version of the service, or run: lernito-openedx migrate`,
    )
  }
}

/** Doctor tells the causes of a server apart. What keeps a file from being used depends on who runs the command. */
function unusable({ url, name, reason }: { url: string; name: string; reason: string }): AppError {
  const remedy = url.startsWith('mysql:')
    ? 'Run lernito-openedx doctor, which says what to do.'
    : 'Remove that cause, run the command as the user of the service, or correct LERNITO_DATABASE_URL.'
  return new AppError('database.unreachable', `The database ${name} can't be used: ${reason}. ${remedy}`)
}

/** The actor for the audit. A container may run as a user that has no name there. */
export const operator = (): string => `${nameOfUser()} (command line)`

function nameOfUser(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

/** A delivery of a list as JSON, without what only the service uses. */
export function itemOf({ lastEvent: _lastEvent, generation: _generation, ...item }: Summary) {
  const { request: _request, unreadable: _unreadable, ...told } = item
  return told
}

/** Of the deliveries whose ids begin alike, the message names so many. */
const NAMED = 5

/**
 * The id of the delivery whose id begins so, in any letter case; null if there is none.
 * @throws AppError delivery.ambiguous if there are several
 */
async function findId({ context }: Opened, given: string): Promise<string | null> {
  const prefix = given.toUpperCase()
  if (!/^[0-9A-Z]{1,26}$/.test(prefix)) return null
  const [found, ...more] = await idsBeginning(context.database.db, { text: prefix, limit: NAMED + 1 })
  if (found === undefined || more.length === 0) return found ?? null
  const named = [found, ...more].slice(0, NAMED).join(', ')
  const others = more.length < NAMED ? '' : ', and others'
  throw new AppError('delivery.ambiguous', `Several ids begin with ${prefix}: ${named}${others}. Type more of the id.`)
}

/** The ids of several, where what no id begins with stays as it is. Throws as findId does, before any of them is changed. */
export async function idsOf(opened: Opened, given: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const one of given) ids.push((await findId(opened, one)) ?? one)
  return ids
}

/**
 * The delivery whose id begins so, for a command that can't do without it.
 * @throws AppError delivery.unknown if there is none, and delivery.ambiguous
 */
export async function needDelivery(opened: Opened, given: string): Promise<Shown> {
  const id = await findId(opened, given)
  const shown = id === null ? null : await opened.operations.show(id)
  if (shown === null) throw new AppError('delivery.unknown', noDelivery(given))
  return shown
}

/** Says that there is no such delivery, and how to find the right one. */
export const noDelivery = (given: string): string =>
  `There is no delivery ${plain(given)}. Find it with: lernito-openedx deliveries list SEARCH`
