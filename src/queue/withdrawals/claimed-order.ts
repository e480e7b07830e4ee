import type { Kysely, Transaction } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../../database/schema.ts'
import type { WriteContext } from '../../database/transaction.ts'
import { lockDelivery } from '../change-deliveries.ts'
import { type WithLines, withLines } from '../lines.ts'
import type { Replicas } from '../replicas/replicas.ts'
import { LONGEST_WAIT_MS } from '../retry-schedule.ts'
import { personOf } from '../rows.ts'
import { emailTerm } from '../search-terms.ts'

/** How many due orders to look at. Other replicas may claim the first ones. */
const PAGE = 20

/** An order that this replica carries out, with the hold of `person`, and its delivery as it was when it was claimed. */
export interface ClaimedOrder {
  readonly row: WithdrawalRow
  readonly person: string
  readonly delivery: WithLines<DeliveryRow>
  /**
   * The addresses that the buyer's accounts have by now, if other ones than the delivery's: the order has their holds, too.
   * So no sale to such an address is attempted between what the order reads and what it changes.
   */
  readonly left: Set<string>
  readonly holds: Replicas['holds']
}

/**
 * Claims the next due order, the oldest first; null if there is none. It takes the hold of the buyer, so an order waits
 * while an attempt, another order or a change for the same person is in a call. Orders for a delivery that was erased are
 * deleted.
 */
export async function claimOrder({
  context: { database, now },
  replicas: { holds },
}: {
  context: WriteContext
  replicas: Pick<Replicas, 'holds'>
}): Promise<ClaimedOrder | null> {
  const { db } = database
  const at = now()
  const due = await db
    .selectFrom('withdrawals as due')
    .leftJoin('deliveries', 'deliveries.id', 'due.delivery_id')
    .leftJoin('holds', 'holds.name', 'deliveries.email')
    .select(['due.id', 'due.delivery_id', 'due.due_at'])
    .where('due.ended_at', 'is', null)
    // A time further ahead than the longest wait is from before the clock was set back.
    .where((eb) => eb.or([eb('due.due_at', '<=', at), eb('due.due_at', '>', at + LONGEST_WAIT_MS)]))
    .where('holds.name', 'is', null) // else many orders for one person would hide the others
    .orderBy('due.due_at')
    .orderBy('due.id')
    .limit(PAGE)
    .execute()
  for (const { id, delivery_id, due_at } of due) {
    const rows = await db.selectFrom('deliveries').selectAll().where('id', '=', delivery_id).execute()
    const [delivery] = await withLines(db, rows)
    if (delivery === undefined) {
      await db.deleteFrom('withdrawals').where('id', '=', id).execute()
      continue
    }
    const person = personOf(delivery)
    const row = await holds.take([person], async (trx, taken) => {
      const open = taken.has(person) ? await readUnchanged(trx, { id, delivery_id, due_at }) : undefined
      return { result: open, kept: open === undefined ? new Set() : taken }
    })
    if (row !== undefined) return { row, person, delivery, left: new Set(), holds }
  }
  return null
}

/** The order, unless another replica has attempted it since it was read: its due time is another one then. */
async function readUnchanged(
  trx: Transaction<Tables>,
  { id, delivery_id, due_at }: Pick<WithdrawalRow, 'id' | 'delivery_id' | 'due_at'>,
): Promise<WithdrawalRow | undefined> {
  await lockDelivery({ trx }, delivery_id)
  return trx
    .selectFrom('withdrawals')
    .selectAll()
    .where('id', '=', id)
    .where('due_at', '=', due_at)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
}

/** The names of all holds of an order. */
export const holdsOf = ({ person, left }: ClaimedOrder): readonly string[] => [person, ...left]

/**
 * Takes the holds of the addresses that the buyer's accounts have by now: of all of them, or of none. false if something
 * else is done for one of them just now: the order is then released, and waits for it.
 */
export async function holdAlso(order: ClaimedOrder, addresses: readonly string[]): Promise<boolean> {
  const names = new Set(addresses.map(emailTerm))
  for (const name of holdsOf(order)) names.delete(name)
  if (names.size === 0) return true
  const isTaken = await order.holds.take([...names], async (_trx, taken) => {
    const all = taken.size === names.size
    return { result: all, kept: all ? taken : new Set<string>() }
  })
  if (isTaken) for (const name of names) order.left.add(name)
  return isTaken
}

/**
 * Ends the holds of an order in a transaction. false if that of the buyer was this replica's no more. `isLate`: its last
 * call got no answer, see Holds.end. What wants the opposite of the order then waits, so the call can undo nothing.
 */
export async function endHolds(
  trx: Transaction<Tables>,
  order: ClaimedOrder,
  { isLate }: { isLate: boolean },
): Promise<boolean> {
  return (await order.holds.end(trx, holdsOf(order), { isLate })).has(order.person)
}

/**
 * Whether the order may go on: this replica still has its holds, the order has not ended, and the delivery was neither sent
 * again nor replayed since it was ordered.
 */
export async function mayContinue(db: Kysely<Tables>, order: ClaimedOrder): Promise<boolean> {
  const { row, holds } = order
  for (const name of holdsOf(order)) if (!(await holds.has(name))) return false
  const found = await db
    .selectFrom('withdrawals')
    .innerJoin('deliveries', 'deliveries.id', 'withdrawals.delivery_id')
    .select(['deliveries.generation', 'withdrawals.generation as ordered'])
    .where('withdrawals.id', '=', row.id)
    .where('withdrawals.ended_at', 'is', null)
    .executeTakeFirst()
  return found !== undefined && found.generation === found.ordered
}

/**
 * Releases an order for a later attempt, in a transaction, unless it is not this replica's any more. `changed`: what the
 * attempt changed; absent: it did not begin. `isLate`: see endHolds.
 */
export async function releaseOrder(
  trx: Transaction<Tables>,
  {
    order,
    dueAt,
    isLate,
    changed,
  }: {
    order: ClaimedOrder
    dueAt: number
    isLate: boolean
    changed?: Partial<Pick<WithdrawalRow, 'attempts' | 'result'>>
  },
): Promise<void> {
  if (!(await endHolds(trx, order, { isLate }))) return
  await trx
    .updateTable('withdrawals')
    .set({ due_at: dueAt, ...changed })
    .where('id', '=', order.row.id)
    .execute()
}
