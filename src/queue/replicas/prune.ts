import type { Kysely } from 'kysely'
import type { Database } from '../../database/dialect.ts'
import type { Tables } from '../../database/schema.ts'
import { lateIfUnknown } from '../attempt.ts'

/** How many deliveries one statement releases. */
const STEP = 1000

/**
 * Removes a replica, and releases its deliveries: they become orphans, which any replica may claim. If its heartbeat is not
 * `seenAt` any more, it stays; without `seenAt` it doesn't. Resolves to how many deliveries were released. Most
 * are released in steps beforehand, so that no transaction is long. The transaction that removes the replica releases
 * the deliveries that it has accepted meanwhile.
 */
export async function pruneReplica({
  database: { db, dialect },
  id,
  seenAt,
  landsMs,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  id: string
  seenAt?: number
  landsMs: number
}): Promise<number> {
  const release = (on: Kysely<Tables>): Promise<number> => releaseAll({ on, dialect, owner: id, landsMs })
  const released = await release(db)
  return db.transaction().execute(async (trx) => {
    const replica = trx.deleteFrom('replicas').where('id', '=', id)
    const unchanged = seenAt === undefined ? replica : replica.where('seen_at', '=', seenAt)
    const { numDeletedRows } = await unchanged.executeTakeFirst()
    return numDeletedRows === 0n ? released : released + (await release(trx))
  })
}

interface Releasing {
  readonly on: Kysely<Tables>
  readonly dialect: Database['dialect']
  readonly owner: string
  readonly landsMs: number
}

async function releaseAll(releasing: Releasing): Promise<number> {
  let released = 0
  for (;;) {
    const step = await releaseStep(releasing)
    if (step === 0) return released
    released += step
  }
}

/**
 * Includes deliveries that an operator has stopped. Updates by id, because MariaDB would scan the table. A call that the
 * replica was in, or that was cut at the end of its lease, may still be carried out: it began no later than now.
 */
async function releaseStep({ on, dialect, owner, landsMs }: Releasing): Promise<number> {
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
    .set((eb) => ({ owner: null, lands_until: lateIfUnknown(eb, eb(dialect.clock, '+', landsMs)) }))
    .where('id', 'in', ids)
    .where('owner', '=', owner)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
