import type { Kysely } from 'kysely'
import type { Database } from '../database/dialect.ts'
import type { Tables } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import type { Replicas } from '../replicas/replicas.ts'
import { correctFutureTimes } from './clock-rollback.ts'

/**
 * Claims due rows of nobody for this replica, up to `limit`, oldest first; of several replicas that do so at once each
 * gets others. A replica claims its part of what is free, and more only as it gets done with that: the call budget is
 * shared in the same way, so that one which holds everything would leave the part of the others unused.
 */
export function createClaimOrphans({
  database,
  replicas,
  now,
  random,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  replicas: Pick<Replicas, 'me' | 'beat' | 'liveCount'>
  now: () => number
  random: () => number
}): (limit: number) => Promise<void> {
  const { db } = database
  /** What this replica has claimed here and not got done with. */
  let claimed: readonly string[] = []

  const stillDue = async (ids: readonly string[]): Promise<string[]> => {
    if (ids.length === 0) return []
    const rows = await db
      .selectFrom('deliveries')
      .select('id')
      .where('id', 'in', ids)
      .where('owner', '=', replicas.me())
      .where('state', '=', 'waiting')
      .where('due_at', '<=', now())
      .execute()
    return rows.map(({ id }) => id)
  }

  /** How many of so many free rows are this replica's part. */
  const partOf = async (free: number): Promise<number> => {
    claimed = await stillDue(claimed)
    const sharedBy = replicas.liveCount()
    return sharedBy === 1 ? free : Math.max(0, Math.ceil(free / sharedBy) - claimed.length)
  }

  return async (limit) => {
    const free = await db
      .selectFrom('deliveries')
      .select('id')
      .where('owner', 'is', null)
      .where('state', '=', 'waiting')
      .where('due_at', '<=', now())
      .orderBy('due_at')
      .orderBy('id')
      .limit(limit)
      .execute()
    if (free.length === 0) return
    const part = free.slice(0, await partOf(free.length))
    if (part.length === 0) return
    const ids = part.map(({ id }) => id).sort()
    claimed = [...claimed, ...ids] // where another replica was first, the next look finds that they are not ours
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
          .where('state', '=', 'waiting')
          .execute()
      },
      isStored: async () => false,
    })
  }
}

/**
 * Claims what a dead process left, and corrects times that were written by a clock that was ahead. Gives how many
 * deliveries were claimed. Only while no other replica can serve this database. `now`: ms since 1970.
 */
export async function claimAll({
  db,
  me,
  now,
  longestWaitMs,
}: {
  db: Kysely<Tables>
  me: string
  now: number
  longestWaitMs: number
}): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('deliveries')
    .set({ owner: me })
    .where('state', '=', 'waiting')
    .where((eb) => eb.or([eb('owner', '!=', me), eb('owner', 'is', null)]))
    .executeTakeFirst()
  await db.updateTable('deliveries').set({ owner: null }).where('state', '=', 'handled').execute()
  await correctFutureTimes({ db, owner: me, now, longestWaitMs })
  return Number(numUpdatedRows)
}
