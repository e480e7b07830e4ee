import type { CatalogueRow } from '../../database/schema.ts'
import { type Budget, createTurns, type Permit } from '../../lms/client/budget.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { type Background, pause, runBackgroundLoop } from '../../service/lib/loop.ts'
import { catalogueIn, readRow } from './catalogue.ts'
import { type Reading, readLms } from './read-lms.ts'
import type { Selling } from './sellable.ts'
import { refusedCourses, SOLD_MS, soldCourses } from './sold-courses.ts'
import { storeContents, storeFailure } from './store.ts'

/** The age at which the catalogue is read anew. */
export const CATALOGUE_MS = 10 * 60_000
/** How often a replica looks whether that is its work, and the first time after a start. */
const POLL_MS = 30_000
/** The least rest after a failure. */
const AGAIN_MS = 60_000
/** The list allows 40 calls a minute. */
const LIST_REST_MS = 2_000

interface Refreshing extends Background, Pick<AppContext, 'context'>, Pick<Selling, 'modeOf'> {
  readonly replicas: Pick<AppContext['replicas'], 'isLeader'>
  /** The client that no circuit breaker watches: a failure of these calls must not stop sales. */
  readonly lms: Reading['lms']
  readonly budget: Pick<Budget, 'tryAcquire'>
  /** Whether calls to the LMS have no chance now: its circuit breaker is open. */
  readonly isLmsUnavailable: () => boolean
  /** CATALOGUE_MS, but for the sandbox and tests. */
  readonly intervalMs: number
  /** Called when readings begin to fail, and when the reason changes, with the reason, at most 300 characters. */
  readonly onFailed: (reason: string) => void
}

/**
 * Keeps the catalogue of courses up to date until the signal is aborted. The leader among the replicas asks the LMS as
 * soon as the catalogue is ten minutes old, whether or not somebody looks at it: a small LMS is asked with one call. Its
 * calls can wait: see createTurns. What the LMS answers replaces the old catalogue at once, or not at all.
 */
export async function runCatalogue(options: Refreshing): Promise<void> {
  const { context, guard, intervalMs, signal, onFailed } = options
  const { db } = context.database
  const pollMs = Math.min(POLL_MS, intervalMs / 2)
  let told: string | null = null
  const round = async (): Promise<number> => {
    if (!mayAsk(options)) return pollMs
    const row = await guard(() => readRow(db))
    const age = row.checked_at === null ? intervalMs : context.now() - row.checked_at
    if (age >= 0 && age < intervalMs) return Math.min(pollMs, intervalMs - age)
    const read = await refresh(options, row)
    if (read === null) return pollMs
    if (read.ok) {
      told = null
      return pollMs
    }
    const { message, retryAfterMs } = read.failure
    if (message !== told) onFailed(message)
    told = message
    return Math.max(Math.min(AGAIN_MS, intervalMs), retryAfterMs ?? 0)
  }
  await pause(pollMs, signal) // what waits since the last stop comes first
  return runBackgroundLoop({ ...options, round, againMs: pollMs })
}

const mayAsk = ({ replicas, isLmsUnavailable, signal }: Refreshing): boolean =>
  !signal.aborted && !isLmsUnavailable() && replicas.isLeader()

/** Rejects a call of a reading that has to stop. */
const OVER = new Error('the reading has to stop')

/** Reads the catalogue of this row anew and stores it. null: it had to stop. */
async function refresh(options: Refreshing, row: CatalogueRow) {
  const { context, guard, lms, modeOf } = options
  const sold = await guard(() => soldCourses(context.database.reports, context.now() - SOLD_MS))
  try {
    const before = catalogueIn(row)
    const read = await readLms({ lms, sold, before, ...turnsOf(options) })
    if (read.ok) {
      const selling = { modeOf, isRefused: await guard(() => refusedCourses(context.database)) }
      await guard(() => storeContents(context, { before, read: read.value, sold, selling }))
    } else await guard(() => storeFailure(context, read.failure.message))
    return read
  } catch (error) {
    if (error !== OVER) throw error
    return null
  }
}

/** What each call waits for. The first page of the list doesn't rest. */
function turnsOf(options: Refreshing) {
  const { budget, signal } = options
  const assertMay = (): void => {
    if (!mayAsk(options)) throw OVER
  }
  const { turn, acquire } = createTurns({ budget, assertMay, signal })
  let isFirst = true
  return {
    turn,
    acquire: async (): Promise<Permit> => {
      if (!isFirst) await pause(LIST_REST_MS, signal)
      isFirst = false
      return acquire()
    },
  }
}
