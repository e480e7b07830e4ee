import type { DeliveryRow } from '../../database/schema.ts'
import { isTakenOut, type Line, lineOf, resultsOf } from '../../sale/line.ts'
import { type DeliveryState, isDone, isStopped, stateOfOutcome } from '../../sale/types.ts'
import { asNew, lockDelivery, startAgain } from '../change-deliveries.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from '../events.ts'
import { readDeliveries, storeLines, type WithLines } from '../lines.ts'
import { endedAtOf, reasonColumns } from '../rows.ts'
import { type Attempted, type ClaimedOrder, endHolds, isOf, linesAfterAttempt, resultAfter } from './claimed-order.ts'
import { forgetGiven, NOTHING_GIVEN } from './given.ts'
import { orderAgain } from './keepers.ts'
import type { WithdrawableRow } from './withdrawable.ts'
import { describeWithdrawal, type WithdrawalResult } from './withdrawal.ts'

/**
 * Stores the result of an order, and what it means for the delivery, in one transaction. The delivery loses the courses
 * that the buyer was taken out of. Without any left, it is withdrawn. Changes nothing if the order is no longer this
 * replica's, or if the delivery was sent again or replayed in the meantime. `isLate`: see endHolds.
 */
export async function endOrder(
  context: WriteContext,
  { order, attempted, isLate }: { order: ClaimedOrder; attempted: Attempted; isLate: boolean },
): Promise<void> {
  await auditedChange<null>(context, async (writing) => {
    const delivery = await lockFor(writing, order, { isLate })
    if (delivery === null) return UNCHANGED
    const { trx, at } = writing
    const { id, state } = delivery
    const change = { dueAt: null, endedAt: at }
    const ended = linesAfterAttempt(delivery.lines, { order, attempted, change })
    // Not those whose part of the order ended before: see orderAgain.
    const lines = ended.map((line, index) => (line === delivery.lines[index] ? line : lineAfter(line, at)))
    const result = resultOf(order, attempted)
    const kept = Object.values(result.courses).some(({ kind }) => kind === 'kept') || result.message !== ''
    // Where no order has taken the buyer out, a person may have put them in, or an order has left them there.
    const isWithdrawn = !kept && lines.every(isTakenOut)
    const newState = isWithdrawn ? ('withdrawn' as const) : isDone(state) ? stateOfLines(lines) : state
    await trx
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
      .where('id', '=', id)
      .execute()
    await storeLines(trx, [{ id, before: delivery.lines, lines }])
    await forgetGiven(trx, { delivery: order.delivery, lines: takenBack(order, { delivery, lines }) })
    const { replaced, drafts: restarted } = await markKeepers(writing, { delivery, result, attempted })
    // As if it were live: it has ended in the courses of its orders alone, and may keep others for what an operator did.
    await orderAgain(writing, [{ id, state: 'queued', handled_as: null, replaced_by: null, lines }, ...replaced])
    const isRefund = order.lines.some(({ withdrawal }) => withdrawal.isRefund)
    const failed = isRefund ? 'refund_failed' : 'withdrawal_failed'
    const draft: EventDraft = { deliveryId: id, kind: kept ? failed : 'withdrawn', detail: describeWithdrawal(result) }
    const partly = kept && !isRefund ? takenEvents(delivery, result) : []
    const others = [...partly, draft, ...keptEvents({ id, isRefund }, result), ...restarted]
    return { result: null, listed: [], others }
  })
}

/** The results of all attempts of an order, also in a course that another one came for meanwhile. */
function resultOf({ lines }: ClaimedOrder, { results, message }: Attempted): WithdrawalResult {
  const found = lines.flatMap(({ course, sent, withdrawal }) => {
    const result = resultAfter(withdrawal.result, results.get(sent))
    return result === null ? [] : [[course, result] as const]
  })
  return { courses: Object.fromEntries(found), message }
}

/**
 * The state of a delivery with these lines, which has no further attempt and no reason against it. Without a course that is
 * done, it is one that a refund has stopped: an order for another course is still open, or has failed.
 */
function stateOfLines(lines: readonly Line[]): DeliveryState {
  const courses = resultsOf(lines)
  return Object.keys(courses).length === 0 ? 'handled' : stateOfOutcome({ courses, reason: null })
}

const UNCHANGED = { result: null, listed: [] }

/**
 * Ends the holds of an order, and locks its delivery before it reads it. null if the order is no longer this replica's, the
 * delivery was erased, or the order is none of its lines' any more, because the sale came again.
 */
async function lockFor(
  { trx }: TransactionContext,
  order: ClaimedOrder,
  { isLate }: { isLate: boolean },
): Promise<WithdrawableRow | null> {
  if (!(await endHolds(trx, order, { isLate }))) return null
  await lockDelivery({ trx }, order.delivery.id)
  const [delivery] = await readDeliveries(trx, [order.delivery.id])
  return delivery?.lines.some((line) => isOf(order, line)) ? delivery : null
}

/** The lines of an order, as they were before, of whose courses nothing is left that this service gave. */
const takenBack = (
  order: ClaimedOrder,
  { delivery, lines }: { delivery: WithdrawableRow; lines: readonly Line[] },
): readonly Line[] =>
  delivery.lines.filter((line, index) => isOf(order, line) && line.gave !== null && lines[index]?.gave === null)

/**
 * A delivery that keeps what this one had given is looked at when it is refunded too, even if it was never attempted. One that
 * the look at the end of the order found without the course starts again. `replaced`: those that a correction has replaced
 * since the order asked for them: they keep nothing any more.
 */
async function markKeepers(
  writing: TransactionContext,
  of: { delivery: WithdrawableRow; result: WithdrawalResult; attempted: Attempted },
): Promise<{ replaced: WithLines<DeliveryRow>[]; drafts: EventDraft[] }> {
  const { trx } = writing
  const { delivery, result, attempted } = of
  const keptBy = Object.values(result.courses).flatMap((one) => one.keptBy ?? [])
  if (keptBy.length === 0) return { replaced: [], drafts: [] }
  const ids = [...new Set(keptBy)].sort()
  await trx.updateTable('deliveries').set({ may_have_effect: 1 }).where('id', 'in', ids).execute()
  const keepers = await readDeliveries(trx, ids)
  const drafts: EventDraft[] = []
  for (const { id, lines } of keepers) {
    const isLacking = ({ course, sent }: Line): boolean =>
      result.courses[course]?.keptBy === id && attempted.lacking?.has(sent) === true
    const lacking = delivery.lines.filter(isLacking)
    const courses = lines.map(({ course }) => course).filter((course) => lineOf(lacking, course) !== undefined)
    if (courses.length === 0) continue
    const lineAgain = (line: Line): Line => (courses.includes(line.course) ? soldAnew(line) : line)
    await startAgain(writing, { ids: [id], as: 'sale', lineOf: lineAgain })
    drafts.push({ deliveryId: id, kind: 'repair_started', detail: courses.join(', ') })
  }
  const isReplaced = ({ state, replaced_by }: DeliveryRow): boolean => isStopped(state) && replaced_by !== null
  return { replaced: keepers.filter(isReplaced), drafts }
}

/** A line that our own call has undone: it is given again as it was sold, a paid mode too. */
const soldAnew = (line: Line): Line => ({ ...asNew(line), account: null, named: false })

/** Tells each delivery that kept a course why the refund or the withdrawal of another one left it. */
function keptEvents({ id, isRefund }: { id: string; isRefund: boolean }, { courses }: WithdrawalResult): EventDraft[] {
  const why = `delivery ${id} was ${isRefund ? 'refunded' : 'withdrawn'}`
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

/** A line after its order. Of a course that the buyer was taken out of, what was known before is over. */
function lineAfter(line: Line, at: number): Line {
  const found = line.withdrawal?.result ?? null
  if (found === null || !isTakenOut(line)) return line
  const { mode, why, moved } = found
  // An inactive enrollment has a mode.
  const standing = mode === null ? 'missing' : 'unenrolled'
  const seen = { standing, mode, checkedAt: at, since: at, ...(moved ? { moved } : {}) } as const
  return {
    ...line,
    result: null,
    standing: why === '' ? seen : null,
    ...(found.keptBy === undefined ? NOTHING_GIVEN : {}),
  }
}
