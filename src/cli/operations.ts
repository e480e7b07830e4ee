import { userInfo } from 'node:os'
import { createDatabaseClock } from '../database/clock.ts'
import { openDatabase } from '../database/database.ts'
import { inspectDatabase } from '../database/inspect.ts'
import { KNOWN_LEVEL } from '../database/migrations.ts'
import type { WriteContext } from '../database/write-context.ts'
import { createIds } from '../delivery/ids.ts'
import { AppError } from '../errors.ts'
import { createOperations } from '../operations/create-operations.ts'
import type { Operations } from '../operations/operations.ts'
import { TIMING } from '../replicas/timing.ts'
import { readSettings } from '../settings/read.ts'
import type { Settings } from '../settings/settings.ts'
import { loadDotEnv } from './command.ts'

const LOOK_MS = 10_000

/**
 * Opens the inbox beside a service that may be running, lends it to `use` and closes it. Neither makes a database nor
 * brings one up to date. Throws AppError of the settings.* and database.* codes.
 */
export async function withOperations<Result>(
  use: (opened: {
    operations: Operations
    context: WriteContext
    settings: Settings
    vacuum: Vacuum
  }) => Promise<Result>,
): Promise<Result> {
  loadDotEnv()
  const { settings } = readSettings({ env: process.env })
  await assertUsable(settings.LERNITO_DATABASE_URL)
  const database = openDatabase({ url: settings.LERNITO_DATABASE_URL, serve: false })
  const { now, measure } = createDatabaseClock({ database, wall: Date.now })
  const context = { database, now, newId: createIds({ now }), random: Math.random }
  const operations = createOperations({
    context,
    guard: (work) => work(),
    replicas: () => 0,
    publish: () => {},
    onDue: () => {},
  })
  try {
    await measure()
    return await use({ operations, context, settings, vacuum: database.vacuum })
  } catch (error) {
    if (database.dialect.errorKindOf(error) !== 'unavailable') throw error
    throw unusable(database.name, error instanceof Error ? error.message : String(error))
  } finally {
    await database.close()
  }
}

type Vacuum = ReturnType<typeof openDatabase>['vacuum']

async function assertUsable(url: string): Promise<void> {
  const inspected = await inspectDatabase({
    url,
    now: Date.now,
    deadAfterMs: TIMING.deadAfterMs,
    signal: AbortSignal.timeout(LOOK_MS),
  })
  const { name } = inspected
  if (!inspected.ok) throw unusable(name, inspected.reason)
  const { level, oldestCode } = inspected.found
  if (level === 0) {
    throw new AppError(
      'database.unreachable',
      `There is no inbox in ${name}. Run this where the service runs, with its settings; LERNITO_DATABASE_URL says where the inbox is.`,
    )
  }
  if (oldestCode > KNOWN_LEVEL) {
    throw new AppError('database.too_new', `A newer lernito-openedx works with ${name}. Use that version's command.`)
  }
  if (level < KNOWN_LEVEL) {
    throw new AppError(
      'database.too_old',
      `The database ${name} is not up to date. Start the service in this version, or run: lernito-openedx migrate`,
    )
  }
}

const unusable = (name: string, reason: string): AppError =>
  new AppError('database.unreachable', `The database ${name} can't be used: ${reason}. Check LERNITO_DATABASE_URL.`)

/** Who did it, for the audit. */
export const operator = (): string => `${userInfo().username} (command line)`
