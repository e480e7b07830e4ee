import type { Kysely, Transaction } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import type { WriteContext } from '../../database/transaction.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import { isWithdrawing, type Line, type LineWithdrawal } from '../../sale/line.ts'
import { lockDelivery } from '../change-deliveries.ts'
import { linesOf, storeLines, type WithLines, withLines } from '../lines.ts'
import type { Replicas } from '../replicas/replicas.ts'
import { LONGEST_WAIT_MS } from '../retry-schedule.ts'
import { personOf } from '../rows.ts'
import { emailTerm } from '../search-terms.ts'
import { type Withdrawal, type WithdrawalResult, withdrawalsOf } from './withdrawal.ts'

/** How many due lines to look at. Other replicas may claim the first orders. */
const PAGE = 20

/** An order that this replica carries out, with the hold of `person`, and its delivery as it was when it was claimed. */
export interface ClaimedOrder {
  readonly withdrawal: Withdrawal
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
 * while an attempt, another order or a change for the same person is in a call.
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
    .selectFrom('delivery_lines as due')
    .innerJoin('deliveries', 'deliveries.id', 'due.delivery_id')
    .leftJoin('holds', 'holds.name', 'deliveries.email')
    .select(['due.withdrawal_id as order', 'due.delivery_id as id', 'due.withdrawal_at as dueAt', 'deliveries.email'])
    .where('due.withdrawal_state', '=', 'open')
    // A time further ahead than the longest wait is from before the clock was set back.
    .where((eb) => eb.or([eb('due.withdrawal_at', '<=', at), eb('due.withdrawal_at', '>', at + LONGEST_WAIT_MS)]))
    .where('holds.name', 'is', null) // else many orders for one person would hide the others
    .orderBy('due.withdrawal_at')
    .orderBy('due.withdrawal_id')
    .limit(PAGE)
    .execute()
  for (const one of due) {
    const person = personOf(one)
    const claimed = await holds.take([person], async (trx, taken) => {
      const open = taken.has(person) ? await readUnchanged(trx, one) : undefined
      return { result: open, kept: open === undefined ? new Set() : taken }
    })
    if (claimed !== undefined) return { ...claimed, person, left: new Set(), holds }
  }
  return null
}

/** The order, unless another replica has attempted it since it was read: its due time is another one then. */
async function readUnchanged(
  trx: Transaction<Tables>,
  { id, order, dueAt }: { id: string; order: string | null; dueAt: number | null },
): Promise<Pick<ClaimedOrder, 'withdrawal' | 'delivery'> | undefined> {
  await lockDelivery({ trx }, id)
  const rows = await trx.selectFrom('deliveries').selectAll().where('id', '=', id).execute()
  const [delivery] = await withLines(trx, rows)
  if (delivery === undefined) return undefined
  const withdrawal = withdrawalsOf(delivery).find((one) => one.id === order)
  return withdrawal?.dueAt === dueAt ? { withdrawal, delivery } : undefined
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
  const { delivery, withdrawal, holds } = order
  for (const name of holdsOf(order)) if (!(await holds.has(name))) return false
  const open = await db
    .selectFrom('delivery_lines')
    .select('position')
    .where('delivery_id', '=', delivery.id)
    .where('withdrawal_id', '=', withdrawal.id)
    .where('withdrawal_state', '=', 'open')
    .limit(1)
    .execute()
  return open.length > 0
}

/** Whether a line belongs to an order that is still open. */
export const isOf = ({ id }: Pick<Withdrawal, 'id'>, line: Line): boolean =>
  line.withdrawal?.id === id && isWithdrawing(line)

/**
 * The lines of a delivery after an attempt of an order: those that still belong to it, with their results so far.
 * @param of.change what else is new of the order
 */
export const linesAfterAttempt = (
  lines: readonly Line[],
  of: { withdrawal: Withdrawal; result: WithdrawalResult; change: Partial<LineWithdrawal> },
): readonly Line[] =>
  lines.map((line) => {
    if (line.withdrawal === null || !isOf(of.withdrawal, line)) return line
    const { courses, message } = of.result
    const [, result = line.withdrawal.result] =
      Object.entries(courses).find(([course]) => isSameCourse(course, line.course)) ?? []
    return { ...line, withdrawal: { ...line.withdrawal, result, message, ...of.change } }
  })

/**
 * Releases an order for a later attempt, in a transaction, unless it is not this replica's any more. `changed`: what the
 * attempt changed; absent: it did not begin. `isLate`: see endHolds.
 */
export async function releaseOrder(
  trx: Transaction<Tables>,
  of: {
    order: ClaimedOrder
    dueAt: number
    isLate: boolean
    changed?: { readonly attempts: number; readonly result: WithdrawalResult }
  },
): Promise<void> {
  const { order, dueAt, isLate, changed } = of
  if (!(await endHolds(trx, order, { isLate }))) return
  const { id } = order.delivery
  await lockDelivery({ trx }, id)
  const [{ lines: before = [] } = {}] = await linesOf(trx, [id])
  const { withdrawal } = order
  const { attempts, result } = changed ?? withdrawal
  const change = { dueAt, attempts }
  const lines = linesAfterAttempt(before, { withdrawal, result: result ?? NOTHING, change })
  await storeLines(trx, [{ id, before, lines }])
}

const NOTHING: WithdrawalResult = { courses: {}, message: '' }
