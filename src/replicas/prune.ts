import type { Kysely } from 'kysely'
import type { Database } from '../database/dialect.ts'
import type { Tables } from '../database/schema.ts'

/** How many deliveries one transaction releases. */
const STEP = 1000

/**
 * Removes a replica that has been silent for `silentMs`, unless it has beaten since, and releases its deliveries: they
 * belong to no replica then, and any may claim them. Gives how many. Most are released in steps before, so that no
 * transaction is long; those that arrived meanwhile, in the transaction that removes the replica.
 */
export async function pruneReplica({
  database: { db, dialect },
  id,
  silentMs,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  id: string
  silentMs: number
}): Promise<number> {
  const released = await releaseAll(db, id)
  return db.transaction().execute(async (trx) => {
    const { numDeletedRows } = await trx
      .deleteFrom('replicas')
      .where('id', '=', id)
      .where('seen_at', '<=', (eb) => eb(dialect.clock, '-', silentMs))
      .executeTakeFirst()
    return numDeletedRows === 0n ? released : released + (await releaseAll(trx, id))
  })
}

async function releaseAll(on: Kysely<Tables>, owner: string): Promise<number> {
  let released = 0
  for (;;) {
    const step = await releaseStep(on, owner)
    if (step === 0) return released
    released += step
  }
}

/** Includes those that an operator has stopped. By their ids, because MariaDB would scan the table. */
async function releaseStep(on: Kysely<Tables>, owner: string): Promise<number> {
  const rows = await on
    .selectFrom('deliveries')
    .select('id')
    .where('owner', '=', owner)
    .orderBy('state')
    .orderBy('due_at')
    .limit(STEP)
    .execute()
  if (rows.length === 0) return 0
  const ids = rows.map(({ id }) => id).sort()
  const { numUpdatedRows } = await on
    .updateTable('deliveries')
    .set({ owner: null })
    .where('id', 'in', ids)
    .where('owner', '=', owner)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
