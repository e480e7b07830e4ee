import type { Db, Trx } from '../database/schema.ts'
import { ROW_CHANGED } from '../database/transaction.ts'
import { type Line, type LmsAccount, lineOf } from '../sale/line.ts'
import type { Delivery } from '../sale/types.ts'
import { lockDeliveries } from './change-deliveries.ts'
import { linesOf, storeLines } from './lines.ts'

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

/** An account that the next call enrolls for a delivery, in this course, by its true key. */
export interface Named {
  readonly id: string
  readonly course: string
  readonly account: LmsAccount
}

/** What is stored of a call before it is made. `undoes`: it may undo what is done for the buyers afterwards, see Holds.mayUndo. */
export interface AnnouncedCall {
  readonly undoes?: boolean | undefined
  readonly names?: readonly Named[]
}

/**
 * Stores the accounts that the next call names, where they are not known yet. If nobody learns what came of the call, the
 * account can have another address by the next attempt, which reads by its number: see Line.named.
 */
export async function storeNamed(trx: Trx, named: readonly Named[]): Promise<void> {
  const byId = Map.groupBy(named, ({ id }) => id)
  if (byId.size === 0) return
  await lockDeliveries({ trx }, [...byId.keys()])
  const stored = await linesOf(trx, [...byId.keys()])
  const changed = stored.map(({ id, lines: before }) => {
    const accounts = new Map((byId.get(id) ?? []).map(({ course, account }) => [lineOf(before, course), account]))
    const lines = before.map((line): Line => {
      const account = accounts.get(line)
      return account === undefined || account.id === line.account?.id
        ? line
        : { ...line, account, claimed: false, named: true }
    })
    return { id, before, lines }
  })
  await storeLines(trx, changed)
}
