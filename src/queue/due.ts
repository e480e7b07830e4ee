import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { Progress } from '../sale/types.ts'
import { toProgress } from './rows.ts'

/** A position in the list of due rows, which is sorted by age, then by id. */
export interface DueRow {
  readonly id: string
  readonly email: string | null
  readonly dueAt: number
}

/** Which due rows to list: at most `limit`, only those that follow `after`, or only those with an id in `among`. */
export interface DueQuery {
  readonly limit: number
  readonly after?: DueRow | null
  readonly among?: readonly string[]
}

/** The due rows of `owner`, oldest first, from the index alone. `now`: ms since 1970. */
export async function dueRows({
  db,
  owner,
  now,
  limit,
  after = null,
  among,
}: DueQuery & { db: Kysely<Tables>; owner: string; now: number }): Promise<DueRow[]> {
  if (among?.length === 0) return []
  let query = db
    .selectFrom('deliveries')
    .select(['id', 'email', 'due_at'])
    .where('owner', '=', owner)
    .where('state', '=', 'queued')
    .where('due_at', '<=', now)
  if (among !== undefined) query = query.where('id', 'in', among)
  if (after !== null) {
    query = query
      .where('due_at', '>=', after.dueAt)
      .where((eb) => eb.or([eb('due_at', '>', after.dueAt), eb('id', '>', after.id)]))
  }
  const rows = await query.orderBy('due_at').orderBy('id').limit(limit).execute()
  return rows.map((row) => ({ id: row.id, email: row.email, dueAt: row.due_at ?? 0 }))
}

/** The progress of deliveries, including those of other replicas. */
export async function progressOf({
  db,
  ids,
}: {
  db: Kysely<Tables>
  ids: readonly string[]
}): Promise<{ id: string; progress: Progress }[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select(['id', 'state', 'due_at', 'outcome', 'generation'])
    .where('id', 'in', ids)
    .execute()
  return rows.map((row) => ({ id: row.id, progress: toProgress(row) }))
}

/** When a delivery was last received, attempted or settled (ms since 1970); null if there is none. */
export async function lastActivityAt(db: Kysely<Tables>): Promise<number | null> {
  const last = await db.selectFrom('deliveries').select('active_at').orderBy('active_at', 'desc').limit(1).execute()
  return last[0]?.active_at ?? null
}
