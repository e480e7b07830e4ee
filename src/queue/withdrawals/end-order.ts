import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../../database/schema.ts'
import { ROW_CHANGED, type TransactionContext, type WriteContext } from '../../database/transaction.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import {
  type CourseStanding,
  isDone,
  isStopped,
  type Outcome,
  type Standings,
  stateOfOutcome,
  tookOut,
} from '../../sale/types.ts'
import { type AuditedResult, auditedChange } from '../audited-change.ts'
import { lockDelivery } from '../change-deliveries.ts'
import type { EventDraft } from '../events.ts'
import { processAgain } from '../replay.ts'
import { outcomeColumns, readOutcome, readStandings } from '../rows.ts'
import { readWithdrawable } from '../withdraw.ts'
import { describeWithdrawal, SUPERSEDED, type WithdrawalResult, withdrawalOf } from '../withdrawal-row.ts'
import { type ClaimedOrder, releaseOrder } from './claimed-order.ts'
import { coursesOf } from './refunded-sales.ts'

/** The states of a delivery that keeps its courses. */
export const LIVE = ['queued', 'enrolled', 'pre_enrolled', 'needs_attention'] as const

/**
 * Stores the result of an order, and what it means for the delivery, in one transaction. The delivery loses the courses
 * that the buyer was taken out of. Without any left, it is withdrawn. If the delivery was sent again or replayed in the
 * meantime, the order ends without effect on it, and see supersede. Resolves to `lost` if the order is no longer this
 * replica's.
 */
export async function endOrder(
  context: WriteContext,
  { order, result }: { order: ClaimedOrder; result: WithdrawalResult },
): Promise<AuditedResult<'ended' | 'superseded' | 'lost'>> {
  return auditedChange(context, async (writing) => {
    if (!(await markEnded(writing, order, result))) return { result: 'lost', listed: [] }
    const delivery = await readWithdrawable(writing.trx, order.row.delivery_id)
    if (delivery === undefined) return { result: 'ended', listed: [] }
    if (delivery.generation !== order.row.generation) {
      return { result: 'superseded', listed: [], others: await supersede(writing, order, delivery) }
    }
    const outcome = delivery.outcome === null ? { courses: {}, reason: null } : readOutcome(delivery.outcome)
    const left = Object.fromEntries(Object.entries(outcome.courses).filter(([course]) => !tookOut(result, course)))
    const kept = Object.values(result.courses).some(({ kind }) => kind === 'kept') || result.message !== ''
    const isWithdrawn = Object.keys(left).length === 0 && !kept
    const { state } = delivery
    const rest: Outcome = { courses: left, reason: isWithdrawn ? null : outcome.reason }
    const newState = isWithdrawn ? ('withdrawn' as const) : isDone(state) ? stateOfOutcome(rest) : state
    const { trx, at } = writing
    const standings = delivery.standings === null ? {} : readStandings(delivery.standings)
    const { numUpdatedRows } = await trx
      .updateTable('deliveries')
      .set({
        state: newState,
        ...outcomeColumns(rest),
        standings: JSON.stringify({ ...standings, ...goneStandings(result, at) }),
        active_at: at,
        ...(isWithdrawn ? { due_at: null, settled_at: at, effect_unknown: 0 } : {}),
      })
      .where('id', '=', delivery.id)
      .where('generation', '=', delivery.generation)
      .where('state', '=', state)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw ROW_CHANGED
    const detail = describeWithdrawal(result)
    const draft: EventDraft = { deliveryId: delivery.id, kind: kept ? 'withdrawal_failed' : 'withdrawn', detail }
    return { result: 'ended', listed: [], others: [draft, ...(await restoreSoldAgain(writing, order, result))] }
  })
}

/**
 * Keeps an order open whose work is done, until no late call can change it any more (ms since 1970): `until`, and of those
 * calls, `ownUntil` for those that take the buyer out; null if each of them was answered. In that case they can undo no
 * sale that comes from now on.
 */
export async function keepOpen(
  context: WriteContext,
  of: { order: ClaimedOrder; result: WithdrawalResult; until: number; ownUntil: number | null },
): Promise<AuditedResult<null>> {
  const { order, result, until, ownUntil } = of
  return auditedChange<null>(context, async (writing) => {
    const { trx } = writing
    await lockDelivery(writing, order.row.delivery_id)
    const delivery = await readWithdrawable(trx, order.row.delivery_id)
    const isNewest =
      delivery?.generation === order.row.generation && (await allSoldAgain(writing, order, result)).size === 0
    const effects = { unenrolls_until: ownUntil, ...(isNewest && ownUntil === null ? { effect_unknown: 0 } : {}) }
    await releaseOrder(trx, { order, dueAt: until, changed: { result: JSON.stringify(result), ...effects } })
    return { result: null, listed: [] }
  })
}

/**
 * Ends an order that must not go on because the sale came again, and see supersede; or keeps it while one of its calls may
 * still undo that sale. Otherwise, as after the person was erased, only releases it.
 */
export async function endSuperseded(context: WriteContext, order: ClaimedOrder): Promise<AuditedResult<null>> {
  return auditedChange<null>(context, async (writing) => {
    const delivery = await readWithdrawable(writing.trx, order.row.delivery_id)
    const { unenrolls_until } = order.row
    const isLate = unenrolls_until !== null && unenrolls_until > writing.at
    if (delivery === undefined || delivery.generation === order.row.generation || isLate) {
      await releaseOrder(writing.trx, { order, dueAt: isLate ? unenrolls_until : writing.at })
      return { result: null, listed: [] }
    }
    if (!(await markEnded(writing, order, { courses: {}, message: SUPERSEDED }))) return { result: null, listed: [] }
    return { result: null, listed: [], others: await supersede(writing, order, delivery) }
  })
}

async function markEnded(
  { trx, at }: TransactionContext,
  { row, person, holds }: ClaimedOrder,
  result: WithdrawalResult,
): Promise<boolean> {
  if ((await holds.end(trx, [person])).size === 0) return false
  const { numUpdatedRows } = await trx
    .updateTable('withdrawals')
    .set({ ended_at: at, result: JSON.stringify(result) })
    .where('id', '=', row.id)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * The shop or an operator wants the person in the course again, and that came after the order. If a call of the order
 * may have taken effect, it may have undone the newer enrollment, so the sale is processed once more for the courses of
 * the order.
 */
async function supersede(
  writing: TransactionContext,
  { row }: ClaimedOrder,
  { state, generation }: Pick<DeliveryRow, 'state' | 'generation'>,
): Promise<EventDraft[]> {
  const deliveryId = row.delivery_id
  const { trx } = writing
  const result: WithdrawalResult = { courses: {}, message: SUPERSEDED }
  const mine = trx
    .updateTable('withdrawals')
    .set({ result: JSON.stringify(result) })
    .where('id', '=', row.id)
  await mine.execute()
  const failed: EventDraft = { deliveryId, kind: 'withdrawal_failed', detail: SUPERSEDED }
  if (isStopped(state) || !(await hadEffect(trx, row))) return [failed]
  // A refund that came after that sale is the newest statement.
  if (await hasCurrentOrder(trx, { id: deliveryId, generation })) return [failed]
  await processAgain(writing, { id: deliveryId, courses: withdrawalOf(row).courses })
  return [failed, undone(deliveryId)]
}

const undone = (deliveryId: string): EventDraft => ({
  deliveryId,
  kind: 'replayed',
  detail: 'the withdrawal may have undone the enrollment',
})

/** Whether a call of the order may have taken effect. The row may say so since the order was claimed. */
async function hadEffect(trx: TransactionContext['trx'], { id }: Pick<WithdrawalRow, 'id'>): Promise<boolean> {
  const stored = await trx.selectFrom('withdrawals').select('effect_unknown').where('id', '=', id).executeTakeFirst()
  return stored?.effect_unknown === 1
}

async function hasCurrentOrder(
  trx: TransactionContext['trx'],
  { id, generation }: Pick<DeliveryRow, 'id' | 'generation'>,
): Promise<boolean> {
  const current = await trx
    .selectFrom('withdrawals')
    .select('id')
    .where('delivery_id', '=', id)
    .where('generation', '=', generation)
    .executeTakeFirst()
  return current !== undefined
}

/**
 * The buyer may have bought a refunded course again, as another delivery, while the refund was carried out. If a call of
 * it may have taken effect, it may have undone that enrollment, so these deliveries are processed once more.
 */
async function restoreSoldAgain(
  writing: TransactionContext,
  order: ClaimedOrder,
  result: WithdrawalResult,
): Promise<EventDraft[]> {
  if (!(await hadEffect(writing.trx, order.row))) return []
  const ids = [...(await allSoldAgain(writing, order, result))].sort()
  for (const id of ids) await processAgain(writing, { id, courses: Object.keys(result.courses) })
  return ids.map(undone)
}

/** The deliveries that sold a course of the result again, by their ids. */
async function allSoldAgain(
  { trx }: TransactionContext,
  { row }: ClaimedOrder,
  { courses }: WithdrawalResult,
): Promise<Set<string>> {
  const found = new Set<string>()
  for (const course of Object.keys(courses)) {
    for (const id of await soldAgain(trx, { order: row, course })) found.add(id)
  }
  return found
}

/**
 * The deliveries that sold a course of a refund to the same buyer again, by their ids. A refund orders a withdrawal for
 * each delivery of the buyer that has the course. So a live delivery without such an order, or one that has come again
 * since its order, was sold later. None for a withdrawal that an operator ordered: its page names other deliveries.
 */
export async function soldAgain(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  { order, course }: { order: WithdrawalRow; course: string },
): Promise<string[]> {
  if (order.refund_id === null) return []
  const others = await db
    .selectFrom('deliveries as other')
    .innerJoin('deliveries as mine', 'mine.email', 'other.email')
    .select(['other.id', 'other.request', 'other.generation'])
    .where('mine.id', '=', order.delivery_id)
    .where('other.id', '!=', order.delivery_id)
    .where('other.state', 'in', LIVE)
    .execute()
  const selling = others.filter((other) => coursesOf(other).some((sent) => isSameCourse(sent, course)))
  if (selling.length === 0) return []
  const ids = selling.map(({ id }) => id)
  const orders = await db.selectFrom('withdrawals').selectAll().where('delivery_id', 'in', ids).execute()
  const isWithdrawn = (id: string, generation: number): boolean =>
    orders.some(
      (row) =>
        row.delivery_id === id &&
        row.generation === generation &&
        withdrawalOf(row).courses.some((withdrawn) => isSameCourse(withdrawn, course)),
    )
  return selling.filter(({ id, generation }) => !isWithdrawn(id, generation)).map(({ id }) => id)
}

/** The standings of the courses that the buyer was taken out of. */
function goneStandings({ courses }: WithdrawalResult, at: number): Standings {
  const entries = Object.entries(courses).flatMap(([course, { kind, mode, why }]): [string, CourseStanding][] => {
    if (kind === 'kept' || why !== '') return []
    // An inactive enrollment has a mode.
    const standing = mode === null ? 'missing' : 'unenrolled'
    return [[course, { standing, mode, checkedAt: at, since: at, checks: 1 }]]
  })
  return Object.fromEntries(entries)
}
