import type { Transaction } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../../database/schema.ts'
import { ROW_CHANGED, type TransactionContext, type WriteContext } from '../../database/transaction.ts'
import { hasCourse } from '../../sale/course-key.ts'
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
import { coursesOf, outcomeColumns, readOutcome, readStandings, standingColumns } from '../rows.ts'
import { readWithdrawable } from '../withdraw.ts'
import {
  describeWithdrawal,
  readCurrentOrders,
  SUPERSEDED,
  takenBy,
  touchedBy,
  type WithdrawalResult,
} from '../withdrawal-row.ts'
import { type ClaimedOrder, endHolds, orderedGeneration, releaseOrder } from './claimed-order.ts'
import { keepersOf, namedBy } from './keepers.ts'

/**
 * Stores the result of an order, and what it means for the delivery, in one transaction. The delivery loses the courses
 * that the buyer was taken out of. Without any left, it is withdrawn. If the delivery was sent again or replayed in the
 * meantime, the order ends without effect on it, and see supersede. Changes nothing if the order is no longer this
 * replica's.
 */
export async function endOrder(
  context: WriteContext,
  { order, result }: { order: ClaimedOrder; result: WithdrawalResult },
): Promise<AuditedResult<null>> {
  return auditedChange<null>(context, async (writing) => {
    if (!(await markEnded(writing, order, result))) return { result: null, listed: [] }
    const delivery = await readWithdrawable(writing.trx, order.row.delivery_id)
    if (delivery === undefined) return { result: null, listed: [] }
    if (delivery.generation !== (await orderedGeneration(writing.trx, order))) {
      return { result: null, listed: [], others: await supersede(writing, order, delivery) }
    }
    const outcome = readOutcome(delivery.outcome)
    const left = Object.fromEntries(Object.entries(outcome.courses).filter(([course]) => !tookOut(result, course)))
    const kept = Object.values(result.courses).some(({ kind }) => kind === 'kept') || result.message !== ''
    const { state } = delivery
    const isWithdrawn = Object.keys(left).length === 0 && !kept && !(await isStillWanted(writing, delivery))
    const rest: Outcome = { courses: left, reason: isWithdrawn ? null : outcome.reason }
    const newState = isWithdrawn ? ('withdrawn' as const) : isDone(state) ? stateOfOutcome(rest) : state
    const { trx, at } = writing
    const standings = readStandings(delivery.standings)
    const { numUpdatedRows } = await trx
      .updateTable('deliveries')
      .set((eb) => ({
        state: newState,
        ...outcomeColumns(rest),
        ...standingColumns({ ...leftStandings(standings, result), ...goneStandings(result, at) }),
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
    const detail = describeWithdrawal(result)
    const failed = order.row.refund_id === null ? 'withdrawal_failed' : 'refund_failed'
    const draft: EventDraft = { deliveryId: delivery.id, kind: kept ? failed : 'withdrawn', detail }
    const partly = kept && order.row.refund_id === null ? takenEvents(delivery.id, outcome, result) : []
    const others = [...partly, draft, ...keptEvents(order.row, result), ...(await restoreKept(writing, order))]
    return { result: null, listed: [], others }
  })
}

/**
 * Whether a delivery has a course that no order takes, and that is still to be attempted (see processAgain) or waits for a
 * person, because it failed.
 */
async function isStillWanted(
  { trx }: TransactionContext,
  { id, state, request }: Pick<DeliveryRow, 'id' | 'state' | 'request'>,
): Promise<boolean> {
  if (state !== 'queued' && state !== 'needs_attention') return false
  const taken = takenBy((await readCurrentOrders(trx, [id])).get(id) ?? [])
  return coursesOf({ request }).some((course) => !hasCourse(taken, course))
}

/**
 * Keeps an order open whose work is done, until no late call can change it any more (ms since 1970): `until`, and of those
 * calls, `ownUntil` for those that take the buyer out; null if each of them was answered. In that case they can undo no
 * sale that comes from now on. In a transaction.
 */
export async function keepOpen(
  trx: Transaction<Tables>,
  of: { order: ClaimedOrder; result: WithdrawalResult; until: number; ownUntil: number | null },
): Promise<void> {
  const { order, result, until, ownUntil } = of
  await lockDelivery({ trx }, order.row.delivery_id)
  const delivery = await readWithdrawable(trx, order.row.delivery_id)
  const isCurrent = delivery?.generation === (await orderedGeneration(trx, order))
  const isNewest = isCurrent && (await keepersOfTouched(trx, order)).size === 0
  const effects = { unenrolls_until: ownUntil, ...(isNewest && ownUntil === null ? { touched: '[]' } : {}) }
  await releaseOrder(trx, { order, dueAt: until, changed: { result: JSON.stringify(result), ...effects } })
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
    const isCurrent = delivery?.generation === (await orderedGeneration(writing.trx, order))
    if (delivery === undefined || isCurrent || isLate) {
      await releaseOrder(writing.trx, { order, dueAt: isLate ? unenrolls_until : writing.at })
      return { result: null, listed: [] }
    }
    if (!(await markEnded(writing, order, { courses: {}, message: SUPERSEDED }))) return { result: null, listed: [] }
    return { result: null, listed: [], others: await supersede(writing, order, delivery) }
  })
}

async function markEnded(
  { trx, at }: TransactionContext,
  order: ClaimedOrder,
  result: WithdrawalResult,
): Promise<boolean> {
  const { row } = order
  if (!(await endHolds(trx, order))) return false
  const { numUpdatedRows } = await trx
    .updateTable('withdrawals')
    .set({ ended_at: at, result: JSON.stringify(result) })
    .where('id', '=', row.id)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * The shop or an operator wants the person in the course again, and that came after the order. A call of the order may
 * have undone the newer enrollment, so the sale is processed once more for the courses in which there was a call.
 */
async function supersede(
  writing: TransactionContext,
  { row }: ClaimedOrder,
  { state }: Pick<DeliveryRow, 'state'>,
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
  if (isStopped(state)) return [failed]
  // A refund that came after that sale is the newest statement, even if it failed.
  const named = namedBy((await readCurrentOrders(trx, [deliveryId])).get(deliveryId) ?? [])
  const courses = (await readTouched(trx, row)).filter((course) => !hasCourse(named, course))
  if (courses.length === 0) return [failed]
  await processAgain(writing, { id: deliveryId, courses })
  return [failed, undone(deliveryId)]
}

const undone = (deliveryId: string): EventDraft => ({
  deliveryId,
  kind: 'replayed',
  detail: 'the withdrawal may have undone the enrollment',
})

/** The courses in which a call of the order may have changed something. The row may say so since the order was claimed. */
async function readTouched(
  trx: TransactionContext['trx'],
  { id }: Pick<WithdrawalRow, 'id'>,
): Promise<readonly string[]> {
  const stored = await trx.selectFrom('withdrawals').select('touched').where('id', '=', id).executeTakeFirst()
  return stored === undefined ? [] : touchedBy(stored)
}

/**
 * The buyer may have bought a refunded course again, as another delivery, while the refund was carried out. A call of it
 * may have undone that enrollment, so these deliveries are processed once more.
 */
async function restoreKept(writing: TransactionContext, order: ClaimedOrder): Promise<EventDraft[]> {
  const kept = await keepersOfTouched(writing.trx, order)
  for (const [id, courses] of kept) await processAgain(writing, { id, courses })
  return [...kept.keys()].map(undone)
}

/** The deliveries that keep courses in which a call of the order may have changed something, with these; sorted by id. */
async function keepersOfTouched(trx: Transaction<Tables>, order: ClaimedOrder) {
  const touched = await readTouched(trx, order.row)
  const found = new Map<string, string[]>()
  for (const course of touched) {
    for (const id of await keepersOf(trx, { order, course })) found.set(id, [...(found.get(id) ?? []), course])
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Tells each delivery that kept a course why the refund or the withdrawal of another one left it. */
function keptEvents(row: WithdrawalRow, { courses }: WithdrawalResult): EventDraft[] {
  const why = `delivery ${row.delivery_id} was ${row.refund_id === null ? 'withdrawn' : 'refunded'}`
  return Object.entries(courses).flatMap(([course, { keptBy }]) =>
    keptBy === undefined ? [] : { deliveryId: keptBy, kind: 'kept', detail: `${course}: ${why}` },
  )
}

/** Tells the shop of the courses that an operator's order took away although it left another one. */
function takenEvents(deliveryId: string, { courses }: Outcome, result: WithdrawalResult): EventDraft[] {
  const taken = Object.entries(result.courses).filter(([course, { kind }]) => kind !== 'kept' && courses[course])
  if (taken.length === 0) return []
  const detail = describeWithdrawal({ courses: Object.fromEntries(taken), message: '' })
  return [{ deliveryId, kind: 'withdrawn', detail }]
}

/** The standings of the courses that the delivery still has: what was known of the others is over. */
const leftStandings = (standings: Standings, result: WithdrawalResult): Standings =>
  Object.fromEntries(Object.entries(standings).filter(([course]) => !tookOut(result, course)))

/** The standings of the courses that the buyer was taken out of. */
function goneStandings({ courses }: WithdrawalResult, at: number): Standings {
  const entries = Object.entries(courses).flatMap(
    ([course, { kind, mode, why, moved }]): [string, CourseStanding][] => {
      if (kind === 'kept' || why !== '') return []
      // An inactive enrollment has a mode.
      const standing = mode === null ? 'missing' : 'unenrolled'
      return [[course, { standing, mode, checkedAt: at, since: at, checks: 1, ...(moved ? { moved } : {}) }]]
    },
  )
  return Object.fromEntries(entries)
}
