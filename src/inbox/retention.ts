import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { idPrefix } from '../delivery/ids.ts'
import type { DeliveryState } from '../delivery/types.ts'
import { pause } from '../pause.ts'
import { type Background, runBackgroundLoop } from './background-loop.ts'

/** So few at once that no writer waits long, with a rest in between that is longer than the step. */
const STEP = 200
const REST_MS = 100
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Nothing remains to be done about these. Of the others somebody who paid has not got the course yet. */
const FINISHED = ['succeeded', 'rejected', 'handled'] as const satisfies readonly DeliveryState[]

/**
 * Deletes finished deliveries whose last activity lies before `before` (ms since 1970), with their events: one step, of
 * at most 200. What waits or needs attention is never deleted, however old. Gives how many rows were deleted.
 */
export async function purgeStep({ db, before }: { db: Kysely<Tables>; before: number }): Promise<number> {
  const ids = (await findOld({ db, before })).sort() // unsorted, two replicas deadlock
  if (ids.length === 0) return 0
  return db.transaction().execute(async (trx) => {
    // A repeat may have brought one back to life meanwhile: only what is still old and finished goes.
    const { numDeletedRows } = await trx
      .deleteFrom('deliveries')
      .where('id', 'in', ids)
      .where('active_at', '<', before)
      .where('state', 'in', FINISHED)
      .executeTakeFirst()
    const kept = await trx.selectFrom('deliveries').select('id').where('id', 'in', ids).execute()
    const gone = ids.filter((id) => !kept.some((row) => row.id === id))
    if (gone.length === 0) return 0
    await trx.deleteFrom('further_courses').where('delivery_id', 'in', gone).execute()
    await trx.deleteFrom('events').where('delivery_id', 'in', gone).execute()
    return Number(numDeletedRows)
  })
}

/** One state after the other, each along its own index: what is kept for ever is never read. */
async function findOld({ db, before }: { db: Kysely<Tables>; before: number }): Promise<string[]> {
  const ids: string[] = []
  for (const state of FINISHED) {
    const rows = await db
      .selectFrom('deliveries')
      .modifyFront(sql`/*+ INDEX(deliveries deliveries_state) */`) // MySQL else walks along all states
      .select('id')
      .where('state', '=', state)
      .where('active_at', '<', before)
      .orderBy('active_at')
      .limit(STEP - ids.length)
      .execute()
    ids.push(...rows.map(({ id }) => id))
    if (ids.length === STEP) break
  }
  return ids
}

/**
 * Deletes the entries of the audit that are as old, with the events that belong to no delivery, and the orders of bulk
 * replays that have ended: one step, of at most 200 entries. Gives how many those were.
 */
export async function purgeAuditStep({ db, before }: { db: Kysely<Tables>; before: number }): Promise<number> {
  await db.deleteFrom('bulk_replays').where('started_at', '<', before).where('state', '!=', 'running').execute()
  const old = await db
    .selectFrom('audit')
    .select('event_id')
    .where('event_id', '<', idPrefix(before))
    .orderBy('event_id')
    .limit(STEP)
    .execute()
  if (old.length === 0) return 0
  const ids = old.map(({ event_id }) => event_id)
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('events').where('delivery_id', '=', '').where('id', 'in', ids).execute()
    await trx.deleteFrom('audit').where('event_id', 'in', ids).execute()
  })
  return old.length
}

/** Deletes what is older than `days`, every hour, until the signal is aborted. Several replicas may do it at once. */
export function runRetention({
  db,
  days,
  now,
  onPurged,
  ...background
}: Background & {
  db: Kysely<Tables>
  days: number
  now: () => number
  /** Told how many deliveries were deleted, if any. */
  onPurged: (deliveries: number) => void
}): Promise<void> {
  const { guard, signal } = background
  /** With a rest after each, until one finds nothing. */
  const inSteps = async (step: () => Promise<number>): Promise<void> => {
    while (!signal.aborted && (await guard(step)) > 0) await pause(REST_MS, signal)
  }
  const round = async (): Promise<number> => {
    const before = now() - days * DAY_MS
    let purged = 0
    try {
      await inSteps(async () => {
        const deliveries = await purgeStep({ db, before })
        purged += deliveries
        return deliveries
      })
      await inSteps(() => purgeAuditStep({ db, before }))
    } finally {
      if (purged > 0) onPurged(purged)
    }
    return HOUR_MS
  }
  return runBackgroundLoop({ ...background, round, againMs: HOUR_MS })
}
