import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'

/** Returns up to `most` ids of deliveries that a bulk replay made due. */
export async function idsOfReplay(db: Kysely<Tables>, replay: string, most: number): Promise<string[]> {
  const rows = await ofReplay(db, replay).orderBy('delivery_id').limit(most).execute()
  return rows.map(({ delivery_id }) => delivery_id)
}

/** Returns which of these deliveries a bulk replay made due. */
export async function withReplay(
  db: Kysely<Tables>,
  { ids, replay }: { ids: readonly string[]; replay: string },
): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await ofReplay(db, replay).where('delivery_id', 'in', ids).execute()
  return new Set(rows.map(({ delivery_id }) => delivery_id))
}

const ofReplay = (db: Kysely<Tables>, replay: string) =>
  db.selectFrom('replayed_deliveries').select('delivery_id').where('replay_id', '=', replay)
