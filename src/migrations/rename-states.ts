import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'

/**
 * Gives deliveries of older code their new states: `waiting` is now `queued`, and `succeeded` is `pre_enrolled` if a
 * course has only an allowance, else `enrolled`. A replica of older code that still runs when the database is migrated
 * keeps storing the old states, so this is repeated: see backfill.ts. Resolves when the rows are changed.
 */
export async function renameStates(db: Kysely<Tables>): Promise<void> {
  await sql`update deliveries set state = case when state = 'waiting' then 'queued' when outcome like '%:"allowed"%' then 'pre_enrolled' else 'enrolled' end where state in ('waiting', 'succeeded')`.execute(
    db,
  )
}
