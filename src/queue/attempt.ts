import type { Expression, ExpressionBuilder, Kysely, Transaction } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { type Delivery, STOPPED_STATES } from '../sale/types.ts'
import type { Claimed } from './claimed.ts'

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

/**
 * See Store.releaseStopped. It reads first, because there is almost never anything to release. Between two calls of an
 * attempt, the one before may have been given up; the LMS may still carry it out until `landsUntil` (ms since 1970).
 */
export async function releaseStopped({
  db,
  me,
  claimed,
  landsUntil,
}: {
  db: Kysely<Tables>
  me: string
  claimed: Pick<Claimed, 'has' | 'inCall'>
  landsUntil: number
}): Promise<void> {
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('owner', '=', me)
    .where('state', 'in', STOPPED_STATES)
    .execute()
  const free = rows.map(({ id }) => id).filter((id) => !claimed.inCall().has(id))
  for (const [isInAttempt, ids] of Map.groupBy(free, claimed.has)) {
    await db
      .updateTable('deliveries')
      .set((eb) => ({ owner: null, ...(isInAttempt ? { lands_until: lateIfUnknown(eb, eb.val(landsUntil)) } : {}) }))
      .where('id', 'in', ids)
      .where('owner', '=', me)
      .where('state', 'in', STOPPED_STATES)
      .execute()
  }
}

/**
 * The column `lands_until` of a row that leaves its attempt: `until` (ms since 1970) if the effect of the attempt is unknown,
 * else what it was.
 */
export const lateIfUnknown = (eb: ExpressionBuilder<Tables, 'deliveries'>, until: Expression<number>) =>
  eb.case().when('effect_unknown', '!=', 0).then(until).else(eb.ref('lands_until')).end()
