import { sql, type Transaction } from 'kysely'
import type { Tables } from './schema.ts'

/**
 * Adds to the counters of the UTC day of `at` (ms), inside the transaction that made them true. Sorted by name, so that
 * two replicas take the rows in the same order and can't deadlock.
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
  if (names.length === 0) return
  const day = new Date(at).toISOString().slice(0, 10)
  const sums = new Map<string, number>()
  for (const name of names) sums.set(name, (sums.get(name) ?? 0) + 1)
  const sorted = [...sums].sort(([a], [b]) => (a < b ? -1 : 1))
  await trx
    .insertInto('counters')
    .ignore()
    .values(sorted.map(([name]) => ({ day, name, count: 0 })))
    .execute()
  for (const [name, sum] of sorted) {
    await trx
      .updateTable('counters')
      .set({ count: sql<number>`count + ${sum}` })
      .where('day', '=', day)
      .where('name', '=', name)
      .execute()
  }
}
