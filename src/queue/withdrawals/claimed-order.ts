import type { Db, DeliveryRow, Trx } from '../../database/schema.ts'
import {
  type CourseWithdrawal,
  hasTaken,
  isWithdrawing,
  type Line,
  type LineWithdrawal,
  type LmsAccount,
} from '../../sale/line.ts'
import { lockDelivery } from '../change-deliveries.ts'
import type { WriteContext } from '../events.ts'
import { linesOf, readDeliveries, storeLines, type WithLines } from '../lines.ts'
import type { Replicas } from '../replicas/replicas.ts'
import { isDue } from '../retry-schedule.ts'
import { personOf } from '../rows.ts'
import { emailTerm } from '../search-terms.ts'

/** How many due lines to look at. Other replicas may claim the first orders. */
const PAGE = 20

/** A line that the buyer is to be taken out of. */
type OrderedLine = Line & { readonly withdrawal: LineWithdrawal }

/** An order that this replica carries out, with the hold of `person`, and its delivery as it was when it was claimed. */
export interface ClaimedOrder {
  /** Its lines share it. */
  readonly id: string
  /** The lines that were ordered together and still belong to it. */
  readonly lines: readonly OrderedLine[]
  /** How many attempts have failed. */
  readonly attempts: number
  readonly person: string
  readonly delivery: WithLines<DeliveryRow>
  /**
   * The other addresses that the buyer's accounts have by now, or under which they got courses: the order has their holds,
   * too. So no sale to such an address is attempted between what the order reads and what it changes.
   */
  readonly others: Set<string>
  readonly holds: Replicas['holds']
}

/**
 * Claims the next due order, the oldest first; null if there is none. It takes the hold of the buyer, so an order waits
 * while an attempt or another order for the same person is in a call.
 */
export async function claimOrder({
  context: { database, now },
  replicas: { holds },
}: {
  context: WriteContext
  replicas: Pick<Replicas, 'holds'>
}): Promise<ClaimedOrder | null> {
  const { db } = database
  const due = await db
    .selectFrom('delivery_lines as due')
    .innerJoin('deliveries', 'deliveries.id', 'due.delivery_id')
    .leftJoin('holds', 'holds.name', 'deliveries.email')
    .select(['due.withdrawal_id as order', 'due.delivery_id as id', 'due.withdrawal_at as dueAt', 'deliveries.email'])
    .where('due.withdrawal_state', '=', 'open')
    .where(isDue('due.withdrawal_at', now()))
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
    if (claimed !== undefined) return { ...claimed, person, others: new Set(), holds }
  }
  return null
}

/** The order, unless another replica has attempted it since it was read: its due time is another one then. */
async function readUnchanged(
  trx: Trx,
  { id, order, dueAt }: { id: string; order: string | null; dueAt: number | null },
): Promise<Pick<ClaimedOrder, 'id' | 'lines' | 'attempts' | 'delivery'> | undefined> {
  await lockDelivery({ trx }, id)
  const [delivery] = await readDeliveries(trx, [id])
  const lines = delivery?.lines.filter((line) => isOf({ id: order }, line)) ?? []
  const [first] = lines
  if (delivery === undefined || first === undefined || first.withdrawal.dueAt !== dueAt) return undefined
  return { id: first.withdrawal.id, lines, attempts: first.withdrawal.attempts, delivery }
}

/** The names of all holds of an order. */
export const holdsOf = ({ person, others }: ClaimedOrder): readonly string[] => [person, ...others]

/**
 * Takes the holds of the other addresses of the buyer (see ClaimedOrder): of all of them, or of none. false if something
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
  if (isTaken) for (const name of names) order.others.add(name)
  return isTaken
}

/**
 * Stores to which accounts the courses of an order were given, by the key as it was sent, where only the allowances tell it.
 * Call it before the order deletes them: another attempt may follow.
 */
export async function storeBuyers(
  trx: Trx,
  { order, accounts }: { order: ClaimedOrder; accounts: ReadonlyMap<string, LmsAccount> },
): Promise<void> {
  const { id } = order.delivery
  await lockDelivery({ trx }, id)
  const [{ lines: before = [] } = {}] = await linesOf(trx, [id])
  const lines = before.map((line) => {
    const account = isOf(order, line) ? accounts.get(line.sent) : undefined
    return account === undefined ? line : { ...line, account, claimed: false }
  })
  await storeLines(trx, [{ id, before, lines }])
}

/**
 * Ends the holds of an order in a transaction. false if that of the buyer was this replica's no more. `isLate`: its last
 * call got no answer, see Holds.end. What wants the opposite of the order then waits, so the call can undo nothing.
 */
export const endHolds = async (trx: Trx, order: ClaimedOrder, { isLate }: { isLate: boolean }): Promise<boolean> =>
  (await order.holds.end(trx, holdsOf(order), { isLate })).has(order.person)

/**
 * Stores that an order is about to call the LMS to take the buyer out of a course, and that the call may be carried out late.
 * Ask mayContinue after it, right before the call: a sale that comes again either comes before, and stops the order, or finds
 * this. It is then sold anew even if nobody learns what came of the call: see isSoldAgain.
 * @param of.sent the course key as it was sent
 */
export async function storeCalled(trx: Trx, { order, sent }: { order: ClaimedOrder; sent: string }): Promise<void> {
  const { id } = order.delivery
  await lockDelivery({ trx }, id)
  const line = trx.updateTable('delivery_lines').where('delivery_id', '=', id).where('sent', '=', sent)
  await line.where('withdrawal_id', '=', order.id).set({ withdrawal_called: 1 }).execute()
  await order.holds.mayUndo(trx, holdsOf(order))
}

/**
 * Whether the order may go on: this replica still has its holds, the order has not ended, and the delivery was neither sent
 * again nor replayed since it was ordered.
 */
export async function mayContinue(db: Db, order: ClaimedOrder): Promise<boolean> {
  const { id, delivery, holds } = order
  for (const name of holdsOf(order)) if (!(await holds.has(name))) return false
  const open = await db
    .selectFrom('delivery_lines')
    .select('position')
    .where('delivery_id', '=', delivery.id)
    .where('withdrawal_id', '=', id)
    .where('withdrawal_state', '=', 'open')
    .limit(1)
    .execute()
  return open.length > 0
}

/** Whether a line belongs to an order that is still open. */
export const isOf = ({ id }: { readonly id: string | null }, line: Line): line is OrderedLine =>
  line.withdrawal?.id === id && isWithdrawing(line)

/** What an attempt of an order has come to. */
export interface Attempted {
  /** The results of the courses that it came to, by the key as it was sent. */
  readonly results: ReadonlyMap<string, CourseWithdrawal>
  /** Why it failed or has to wait; '' if neither. */
  readonly message: string
  /** The courses that another sale keeps, but lacks by the look after a call of this order, by the key as it was sent. */
  readonly lacking?: ReadonlySet<string> | undefined
}

/**
 * The lines of a delivery after an attempt of an order: those that still belong to it, with their results so far.
 * @param of.attempted absent: the attempt did not begin
 * @param of.change what else is new of the order
 */
export const linesAfterAttempt = (
  lines: readonly Line[],
  of: { order: ClaimedOrder; attempted?: Attempted; change: Partial<LineWithdrawal> },
): readonly Line[] =>
  lines.map((line) => {
    if (!isOf(of.order, line)) return line
    const { withdrawal } = line
    const { results, message = withdrawal.message } = of.attempted ?? {}
    const result = resultAfter(withdrawal.result, results?.get(line.sent))
    return { ...line, withdrawal: { ...withdrawal, result, message, ...of.change } }
  })

/** The result in a course after another attempt. What an earlier one took away is not there any more, and stays the result. */
export function resultAfter(
  before: CourseWithdrawal | null,
  now: CourseWithdrawal | undefined,
): CourseWithdrawal | null {
  const isGone = now === undefined || (now.kind === 'nothing' && now.why === '')
  return hasTaken(before) && isGone ? before : (now ?? before)
}

/**
 * Releases an order for a later attempt, in a transaction, unless it is not this replica's any more. `changed`: what the
 * attempt changed; absent: it did not begin. `isLate`: see endHolds.
 */
export async function releaseOrder(
  trx: Trx,
  of: {
    order: ClaimedOrder
    dueAt: number
    isLate: boolean
    changed?: { readonly attempts: number; readonly attempted: Attempted }
  },
): Promise<void> {
  const { order, dueAt, isLate, changed } = of
  if (!(await endHolds(trx, order, { isLate }))) return
  const { id } = order.delivery
  await lockDelivery({ trx }, id)
  const [{ lines: before = [] } = {}] = await linesOf(trx, [id])
  const { attempts = order.attempts, ...attempted } = changed ?? {}
  const lines = linesAfterAttempt(before, { order, ...attempted, change: { dueAt, attempts } })
  await storeLines(trx, [{ id, before, lines }])
}
