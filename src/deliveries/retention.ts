import type { Kysely } from 'kysely'
import { pause } from '../pause.ts'
import type { Tables } from './database/schema.ts'
import { idPrefix } from './ids.ts'
import { type Background, runRounds } from './rounds.ts'

/** So few at once that no writer waits long, with a rest in between that is longer than the step. */
const STEP = 200
const REST_MS = 100
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Deletes finished deliveries whose last activity lies before `before` (ms since 1970), with their events: one step, of
 * at most 200. What still waits is never deleted, however old. Gives how many rows were deleted.
 */
export async function purgeStep({ db, before }: { db: Kysely<Tables>; before: number }): Promise<number> {
  const old = await db
    .selectFrom('deliveries')
    .select('id')
    .where('active_at', '<', before)
    .where('state', '!=', 'waiting')
    .orderBy('active_at')
    .limit(STEP)
    .execute()
  if (old.length === 0) return 0
  const ids = old.map(({ id }) => id).sort() // unsorted, two replicas deadlock
  return db.transaction().execute(async (trx) => {
    // A repeat may have brought one back to life meanwhile: only what is still old and finished goes.
    const { numDeletedRows } = await trx
      .deleteFrom('deliveries')
      .where('id', 'in', ids)
      .where('active_at', '<', before)
      .where('state', '!=', 'waiting')
      .executeTakeFirst()
    const kept = await trx.selectFrom('deliveries').select('id').where('id', 'in', ids).execute()
    const gone = ids.filter((id) => !kept.some((row) => row.id === id))
    if (gone.length === 0) return 0
    await trx.deleteFrom('further_courses').where('delivery_id', 'in', gone).execute()
    await trx.deleteFrom('events').where('delivery_id', 'in', gone).execute()
    return Number(numDeletedRows)
  })
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
  return runRounds({ ...background, round, againMs: HOUR_MS })
}
