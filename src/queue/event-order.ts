import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'

/**
 * Gives the next numbers of the deliveries in `ids`, in this order; 0 for one that doesn't exist. Each delivery counts its
 * events in its row, which stays locked until the end of the transaction. So a higher number was committed later, whatever
 * the clocks said.
 */
export async function nextNumbers(trx: Kysely<Tables>, ids: readonly string[]): Promise<number[]> {
  const counts = new Map([...Map.groupBy(ids, (id) => id)].map(([id, { length }]) => [id, length]))
  counts.delete('') // events of no delivery
  if (counts.size === 0) return ids.map(() => 0)
  const sorted = [...counts.keys()].sort() // unsorted, two replicas deadlock on MySQL
  for (const [count, group] of Map.groupBy(sorted, (id) => counts.get(id) ?? 0)) {
    await trx
      .updateTable('deliveries')
      .set((eb) => ({ last_event: eb('last_event', '+', count) }))
      .where('id', 'in', group)
      .execute()
  }
  const rows = await trx.selectFrom('deliveries').select(['id', 'last_event']).where('id', 'in', sorted).execute()
  const last = new Map(rows.map(({ id, last_event }) => [id, last_event - (counts.get(id) ?? 0)]))
  return ids.map((id) => {
    const before = last.get(id)
    if (before === undefined) return 0
    last.set(id, before + 1)
    return before + 1
  })
}
