import { sql, type Transaction } from 'kysely'
import type { Tables } from '../database/schema.ts'

/**
 * Adds to the counters of the UTC day of `at` (ms), inside the transaction that made them true. The last thing that a
 * transaction does, since all replicas count in the same rows; sorted by name, so that two of them can't deadlock.
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
    // Inserting first, every day but once in vain, would lock the row in a way that deadlocks on MySQL.
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
