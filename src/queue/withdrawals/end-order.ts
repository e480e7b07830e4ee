import type { DeliveryRow, WithdrawalRow } from '../../database/schema.ts'
import { ROW_CHANGED, type TransactionContext, type WriteContext } from '../../database/transaction.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import { type Line, lineOf, resultsOf } from '../../sale/line.ts'
import { isDone, stateOfOutcome } from '../../sale/types.ts'
import { type AuditedResult, auditedChange } from '../audited-change.ts'
import { lockDelivery } from '../change-deliveries.ts'
import type { EventDraft } from '../events.ts'
import { storeLines } from '../lines.ts'
import { endedAtOf, reasonColumns } from '../rows.ts'
import {
  coursesLeft,
  describeWithdrawal,
  readCurrentOrders,
  SUPERSEDED,
  type WithdrawalResult,
} from '../withdrawal-row.ts'
import { type ClaimedOrder, endHolds } from './claimed-order.ts'
import { readWithdrawable, type WithdrawableRow } from './withdrawable.ts'

/**
 * Stores the result of an order, and what it means for the delivery, in one transaction. The delivery loses the courses
 * that the buyer was taken out of. Without any left, it is withdrawn. If the delivery was sent again or replayed in the
 * meantime, the order ends without effect on it. Changes nothing if the order is no longer this replica's. `isLate`: see
 * endHolds.
 */
export async function endOrder(
  context: WriteContext,
  { order, result, isLate }: { order: ClaimedOrder; result: WithdrawalResult; isLate: boolean },
): Promise<AuditedResult<null>> {
  return auditedChange<null>(context, async (writing) => {
    const delivery = await lockFor(writing, order, { isLate })
    if (delivery === null) return UNCHANGED
    if (delivery === 'superseded') return supersede(writing, order)
    if (!(await markEnded(writing, order, result))) return UNCHANGED
    const lines = delivery.lines.map((line) => lineAfter(line, result, writing.at))
    const kept = Object.values(result.courses).some(({ kind }) => kind === 'kept') || result.message !== ''
    const { state } = delivery
    const isWithdrawn =
      lines.every((line) => line.result === null) && !kept && !(await isStillWanted(writing, delivery))
    const newState = isWithdrawn
      ? ('withdrawn' as const)
      : isDone(state)
        ? stateOfOutcome({ courses: resultsOf(lines), reason: null })
        : state
    const { trx, at } = writing
    const { numUpdatedRows } = await trx
      .updateTable('deliveries')
      .set((eb) => ({
        state: newState,
        ...(isWithdrawn ? reasonColumns(null) : {}),
        ended_at: endedAtOf(lines),
        active_at: at,
        // An attempt that was read before would bring back what is gone, so it must not begin: see markBegun.
        ...(newState === 'queued' ? { due_at: eb('due_at', '+', 1) } : {}),
        ...(isWithdrawn ? { due_at: null, settled_at: at, effect_unknown: 0 } : {}),
      }))
      .where('id', '=', delivery.id)
      .where('generation', '=', delivery.generation)
      .where('state', '=', state)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw ROW_CHANGED
    await storeLines(trx, [{ id: delivery.id, before: delivery.lines, lines }])
    const detail = describeWithdrawal(result)
    const failed = order.row.refund_id === null ? 'withdrawal_failed' : 'refund_failed'
    const draft: EventDraft = { deliveryId: delivery.id, kind: kept ? failed : 'withdrawn', detail }
    const partly = kept && order.row.refund_id === null ? takenEvents(delivery, result) : []
    const others = [...partly, draft, ...keptEvents(order.row, result)]
    return { result: null, listed: [], others }
  })
}

/**
 * Whether a delivery has a course that no order names, and that is still to be attempted (see continueWithout) or waits for
 * a person, because it failed.
 */
async function isStillWanted(
  { trx }: TransactionContext,
  { id, state, request }: Pick<DeliveryRow, 'id' | 'state' | 'request'>,
): Promise<boolean> {
  if (state !== 'queued' && state !== 'needs_attention') return false
  return coursesLeft({ request }, (await readCurrentOrders(trx, [id])).get(id)).length > 0
}

/**
 * Ends an order that must not go on because the sale came again. If there is another reason, as after the person was erased,
 * only releases it.
 */
export async function endSuperseded(context: WriteContext, order: ClaimedOrder): Promise<AuditedResult<null>> {
  return auditedChange<null>(context, async (writing) => {
    const delivery = await lockFor(writing, order, { isLate: false })
    return delivery === 'superseded' ? supersede(writing, order) : UNCHANGED
  })
}

const UNCHANGED = { result: null, listed: [] }

/**
 * Ends the holds of an order, and locks its delivery before it reads it: another order for it may move both along just now
 * (see moveOrdersAlong). null if the order is no longer this replica's, or the delivery was erased.
 */
async function lockFor(
  { trx }: TransactionContext,
  order: ClaimedOrder,
  { isLate }: { isLate: boolean },
): Promise<WithdrawableRow | 'superseded' | null> {
  if (!(await endHolds(trx, order, { isLate }))) return null
  await lockDelivery({ trx }, order.row.delivery_id)
  const delivery = await readWithdrawable(trx, order.row.delivery_id)
  if (delivery === undefined) return null
  const stored = trx.selectFrom('withdrawals').select('generation').where('id', '=', order.row.id)
  return delivery.generation === (await stored.executeTakeFirst())?.generation ? delivery : 'superseded'
}

/** The shop or an operator wants the person in the course again, and that came after the order. */
async function supersede(writing: TransactionContext, order: ClaimedOrder) {
  const isEnded = await markEnded(writing, order, { courses: {}, message: SUPERSEDED })
  const event: EventDraft = { deliveryId: order.row.delivery_id, kind: 'withdrawal_failed', detail: SUPERSEDED }
  return { result: null, listed: [], others: isEnded ? [event] : [] }
}

/** false if it had ended before. */
async function markEnded(
  { trx, at }: TransactionContext,
  { row }: ClaimedOrder,
  result: WithdrawalResult,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('withdrawals')
    .set({ ended_at: at, result: JSON.stringify(result) })
    .where('id', '=', row.id)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Tells each delivery that kept a course why the refund or the withdrawal of another one left it. */
function keptEvents(row: WithdrawalRow, { courses }: WithdrawalResult): EventDraft[] {
  const why = `delivery ${row.delivery_id} was ${row.refund_id === null ? 'withdrawn' : 'refunded'}`
  return Object.entries(courses).flatMap(([course, { keptBy }]) =>
    keptBy === undefined ? [] : { deliveryId: keptBy, kind: 'kept', detail: `${course}: ${why}` },
  )
}

/** Tells the shop of the courses that an operator's order took away although it left another one. */
function takenEvents({ id, lines }: WithdrawableRow, result: WithdrawalResult): EventDraft[] {
  const isTaken = (course: string): boolean => (lineOf(lines, course)?.result ?? null) !== null
  const taken = Object.entries(result.courses).filter(([course, { kind }]) => kind !== 'kept' && isTaken(course))
  if (taken.length === 0) return []
  const detail = describeWithdrawal({ courses: Object.fromEntries(taken), message: '' })
  return [{ deliveryId: id, kind: 'withdrawn', detail }]
}

/** A line after an order. Of a course that the buyer was taken out of, what was known before is over. */
function lineAfter(line: Line, result: WithdrawalResult, at: number): Line {
  const found = Object.entries(result.courses).find(([course]) => isSameCourse(course, line.course))
  if (found === undefined || found[1].kind === 'kept') return line
  const [, { mode, why, moved }] = found
  // An inactive enrollment has a mode.
  const standing = mode === null ? 'missing' : 'unenrolled'
  const seen = { standing, mode, checkedAt: at, since: at, checks: 1, ...(moved ? { moved } : {}) } as const
  return { ...line, result: null, standing: why === '' ? seen : null }
}
