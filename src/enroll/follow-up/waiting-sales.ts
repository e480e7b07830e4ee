import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'

/** The shop waits up to 8 s for an answer. */
const WAITED_FOR_MS = 10_000

/**
 * Whether a shop probably waits for the result of a delivery, at any replica: one is being processed, and came in or
 * was last attempted within the last 10 s. `now`: ms since 1970.
 */
export async function areSalesWaitedFor({ db, now }: { db: Kysely<Tables>; now: number }): Promise<boolean> {
  const row = await db
    .selectFrom('deliveries')
    .select('id')
    .where('state', '=', 'queued')
    .where('active_at', '>', now - WAITED_FOR_MS)
    .where('due_at', '<=', now)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
