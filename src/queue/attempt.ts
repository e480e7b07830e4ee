import type { Db, Trx } from '../database/schema.ts'
import { ROW_CHANGED } from '../database/transaction.ts'
import type { Delivery } from '../sale/types.ts'

/** A delivery as it was read, before its attempt. */
export type Attempt = Pick<Delivery, 'id' | 'person' | 'generation' | 'dueAt' | 'effectUnknown'>

/**
 * Records that attempts begin, and resolves to the ids of those that may. `held`: the people whose holds are taken. A
 * delivery may not begin that was sent again, stopped or erased since it was read, nor one that another replica has
 * attempted since: its due time is another one now. `calls`: whether a call to the LMS follows, or only the result.
 */
export async function markBegun(
  trx: Trx,
  { attempts, held, calls }: { attempts: readonly Attempt[]; held: ReadonlySet<string>; calls: boolean },
): Promise<Set<string>> {
  const wanted = new Map(attempts.filter(({ person }) => held.has(person)).map((attempt) => [attempt.id, attempt]))
  if (wanted.size === 0) return new Set()
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'generation', 'due_at', 'effect_unknown'])
    .where('id', 'in', [...wanted.keys()])
    .where('state', '=', 'queued')
    .execute()
  const unchanged = rows.filter((row) => {
    const read = wanted.get(row.id)
    return (
      row.generation === read?.generation &&
      row.due_at === read.dueAt &&
      (row.effect_unknown !== 0) === read.effectUnknown
    )
  })
  const ids = unchanged.map(({ id }) => id).sort() // unsorted, two replicas deadlock on MySQL
  if (ids.length === 0 || !calls) return new Set(ids)
  const { numUpdatedRows } = await trx
    .updateTable('deliveries')
    .set({ effect_unknown: 1, may_have_effect: 1 })
    .where('id', 'in', ids)
    .where('state', '=', 'queued')
    .executeTakeFirst()
  if (Number(numUpdatedRows) !== ids.length) throw ROW_CHANGED
  return new Set(ids)
}

/**
 * Those of these deliveries that `replica` may go on attempting, with their people: it has the hold, and nobody has stopped
 * or erased them.
 */
export async function mayContinue(
  db: Db,
  { replica, ids }: { replica: string; ids: readonly string[] },
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('deliveries')
    .innerJoin('holds', 'holds.name', 'deliveries.email')
    .select(['deliveries.id', 'holds.name'])
    .where('deliveries.id', 'in', ids)
    .where('deliveries.state', '=', 'queued')
    .where('holds.replica', '=', replica)
    .execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}
