import type { Kysely } from 'kysely'
import type { Database } from '../database/dialect.ts'
import type { Tables } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import { STOPPED_STATES } from '../sale/types.ts'
import { isDue } from './due.ts'
import type { Replicas } from './replicas/replicas.ts'

interface ClaimOrphansParts {
  readonly database: Pick<Database, 'db' | 'dialect'>
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'liveCount'>
  /** ms since 1970 */
  readonly now: () => number
  /** From 0 to 1, as Math.random gives it. */
  readonly random: () => number
}

/**
 * Claims up to `limit` due orphans for this replica, oldest first. Replicas that do so at the same time claim different
 * rows. Each claims only its share of the orphans, and more as it finishes those. The call budget is shared in the same
 * way, so if one replica held all orphans, the budget of the others would be unused.
 */
export function createClaimOrphans(parts: ClaimOrphansParts): (limit: number) => Promise<void> {
  /** The orphans that this replica has claimed and not finished. */
  let claimed: readonly string[] = []

  return async (limit) => {
    const orphans = await dueOrphans(parts, limit)
    if (orphans.length === 0) return
    claimed = await stillDue(parts, claimed)
    const ids = orphans.slice(0, shareOf(parts, { orphans: orphans.length, claimed: claimed.length })).sort()
    if (ids.length === 0) return
    claimed = [...claimed, ...ids] // stillDue removes those that another replica claimed first
    await claimRows(parts, ids)
  }
}

async function dueOrphans({ database: { db }, now }: ClaimOrphansParts, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('owner', 'is', null)
    .where('state', '=', 'queued')
    .where((eb) => isDue(eb, now()))
    .orderBy('due_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

async function stillDue(
  { database: { db }, replicas, now }: ClaimOrphansParts,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', ids)
    .where('owner', '=', replicas.me())
    .where('state', '=', 'queued')
    .where((eb) => isDue(eb, now()))
    .execute()
  return rows.map(({ id }) => id)
}

/** How many of the orphans are this replica's share, less those that it has claimed and not finished. */
function shareOf({ replicas }: ClaimOrphansParts, { orphans, claimed }: { orphans: number; claimed: number }): number {
  const sharedBy = replicas.liveCount()
  return sharedBy === 1 ? orphans : Math.max(0, Math.ceil(orphans / sharedBy) - claimed)
}

/** Claims those that no other replica has claimed meanwhile; none if the others have pruned this replica. */
async function claimRows({ database, replicas, random }: ClaimOrphansParts, ids: readonly string[]): Promise<void> {
  await inTransaction({
    database,
    random,
    body: async (trx): Promise<void> => {
      const me = await replicas.beat(trx)
      if (me === null) return
      await trx
        .updateTable('deliveries')
        .set({ owner: me })
        .where('id', 'in', ids)
        .where('owner', 'is', null)
        .where('state', '=', 'queued')
        .execute()
    },
  })
}

/**
 * Claims what a dead process left, notes that its calls may still be carried out, and corrects times that were written
 * while the clock was ahead: a row that was last changed in the future shows by how much. Resolves to how many deliveries
 * were claimed. Call it only while no other replica can serve this database. `now`: ms since 1970.
 */
export async function claimAll({
  db,
  me,
  now,
  landsMs,
}: {
  db: Kysely<Tables>
  me: string
  now: number
  landsMs: number
}): Promise<number> {
  await db
    .updateTable('deliveries')
    .set({ lands_until: now + landsMs })
    .where('owner', '!=', me)
    .where('effect_unknown', '!=', 0)
    .execute()
  const { numUpdatedRows } = await db
    .updateTable('deliveries')
    .set({ owner: me })
    .where('state', '=', 'queued')
    .where((eb) => eb.or([eb('owner', '!=', me), eb('owner', 'is', null)]))
    .executeTakeFirst()
  await db.updateTable('deliveries').set({ owner: null }).where('state', 'in', STOPPED_STATES).execute()
  await db
    .updateTable('deliveries')
    .set((eb) => ({ due_at: eb('due_at', '-', eb.parens('active_at', '-', now)) }))
    .where('owner', '=', me)
    .where('state', '=', 'queued')
    .where('due_at', '>', now)
    .where('active_at', '>', now)
    .execute()
  return Number(numUpdatedRows)
}
