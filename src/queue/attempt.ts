import type { Kysely, Transaction } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { type Delivery, STOPPED_STATES } from '../sale/types.ts'

export type Attempt = Pick<Delivery, 'id' | 'generation'>

/** See Store.beginAttempt. */
export async function beginAttempt({
  trx,
  me,
  attempts,
}: {
  trx: Transaction<Tables>
  me: string
  attempts: readonly Attempt[]
}): Promise<Set<string>> {
  const begun = new Set<string>()
  for (const [generation, group] of Map.groupBy(attempts, (attempt) => attempt.generation)) {
    const ids = group.map(({ id }) => id).sort() // unsorted, two replicas deadlock on MySQL
    const { numUpdatedRows } = await trx
      .updateTable('deliveries')
      .set({ effect_unknown: 1 })
      .where('id', 'in', ids)
      .where('owner', '=', me)
      .where('state', '=', 'queued')
      .where('generation', '=', generation)
      .executeTakeFirst()
    const all = Number(numUpdatedRows) === ids.length
    const marked = all ? ids : await markedOf({ trx, me, ids, generation })
    for (const id of marked) begun.add(id)
  }
  return begun
}

async function markedOf({
  trx,
  me,
  ids,
  generation,
}: {
  trx: Transaction<Tables>
  me: string
  ids: readonly string[]
  generation: number
}): Promise<string[]> {
  const rows = await trx
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', ids)
    .where('owner', '=', me)
    .where('state', '=', 'queued')
    .where('generation', '=', generation)
    .execute()
  return rows.map(({ id }) => id)
}

/** See Store.stillOurs. */
export async function stillOurs({
  db,
  me,
  ids,
}: {
  db: Kysely<Tables>
  me: string
  ids: readonly string[]
}): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', ids)
    .where('owner', '=', me)
    .where('state', '=', 'queued')
    .execute()
  return new Set(rows.map(({ id }) => id))
}

/** See Store.releaseStopped. It reads first, because there is almost never anything to release. */
export async function releaseStopped({
  db,
  me,
  inCall,
}: {
  db: Kysely<Tables>
  me: string
  inCall: ReadonlySet<string>
}): Promise<void> {
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('owner', '=', me)
    .where('state', 'in', STOPPED_STATES)
    .execute()
  const ids = rows.map(({ id }) => id).filter((id) => !inCall.has(id))
  if (ids.length === 0) return
  await db
    .updateTable('deliveries')
    .set({ owner: null })
    .where('id', 'in', ids)
    .where('owner', '=', me)
    .where('state', 'in', STOPPED_STATES)
    .execute()
}
