import { sql, type Transaction } from 'kysely'
import type { Tables } from '../database/schema.ts'

/**
 * Increments the counters for the UTC day of `at` (ms), in the transaction of the counted changes. Call it last in the
 * transaction, because all replicas update the same rows. The updates are sorted by name, so that two replicas can't
 * deadlock.
 */
export async function count({
  trx,
  at,
  names,
}: {
  trx: Transaction<Tables>
  at: number
  names: readonly string[]
}): Promise<void> {
  const day = dayOf(at)
  const sums = new Map<string, number>()
  for (const name of names) sums.set(name, (sums.get(name) ?? 0) + 1)
  for (const [name, sum] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (await add({ trx, day, name, sum })) continue
    // Update first: an insert, which almost always finds the row, would lock it in a way that deadlocks on MySQL.
    await trx.insertInto('counters').ignore().values({ day, name, count: 0 }).execute()
    await add({ trx, day, name, sum })
  }
}

/** The UTC day of a time (ms), `YYYY-MM-DD`. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

async function add({
  trx,
  day,
  name,
  sum,
}: {
  trx: Transaction<Tables>
  day: string
  name: string
  sum: number
}): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('counters')
    .set({ count: sql<number>`${sql.ref('count')} + ${sum}` })
    .where('day', '=', day)
    .where('name', '=', name)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
