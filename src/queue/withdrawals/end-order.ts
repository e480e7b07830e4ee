import type { Kysely, Transaction } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../../database/schema.ts'
import { ROW_CHANGED, type TransactionContext, type WriteContext } from '../../database/transaction.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import {
  accountIn,
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
import { coursesOf, outcomeColumns, readAccounts, readOutcome, readStandings, standingColumns } from '../rows.ts'
import { readWithdrawable } from '../withdraw.ts'
import {
  describeWithdrawal,
  readCurrentOrders,
  SUPERSEDED,
  takenBy,
  touchedBy,
  type WithdrawalResult,
  withdrawalOf,
} from '../withdrawal-row.ts'
import { type ClaimedOrder, endHolds, holdsOf, orderedGeneration, releaseOrder } from './claimed-order.ts'

/** The states of a delivery that keeps its courses. */
export const LIVE = ['queued', 'enrolled', 'pre_enrolled', 'needs_attention'] as const

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
    const outcome = delivery.outcome === null ? { courses: {}, reason: null } : readOutcome(delivery.outcome)
    const left = Object.fromEntries(Object.entries(outcome.courses).filter(([course]) => !tookOut(result, course)))
    const kept = Object.values(result.courses).some(({ kind }) => kind === 'kept') || result.message !== ''
    const { state } = delivery
    // A course that failed, and that the order doesn't name, still waits for a person.
    const named = [...withdrawalOf(order.row).courses, ...Object.keys(result.courses)]
    const isNamed = (sent: string): boolean => named.some((key) => isSameCourse(key, sent))
    const isOpen = state === 'needs_attention' && !coursesOf(delivery).every(isNamed)
    const isWithdrawn = Object.keys(left).length === 0 && !kept && !isOpen
    const rest: Outcome = { courses: left, reason: isWithdrawn ? null : outcome.reason }
    const newState = isWithdrawn ? ('withdrawn' as const) : isDone(state) ? stateOfOutcome(rest) : state
    const { trx, at } = writing
    const standings = readStandings(delivery.standings)
    const { numUpdatedRows } = await trx
      .updateTable('deliveries')
      .set({
        state: newState,
        ...outcomeColumns(rest),
        ...standingColumns({ ...leftStandings(standings, result), ...goneStandings(result, at) }),
        active_at: at,
        ...(isWithdrawn ? { due_at: null, settled_at: at, effect_unknown: 0 } : {}),
      })
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
  const isNewest = isCurrent && (await keepersOfTouched(trx, order)).ids.length === 0
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
  // A refund that came after that sale is the newest statement.
  const taken = takenBy((await readCurrentOrders(trx, [deliveryId])).get(deliveryId) ?? [])
  const courses = (await readTouched(trx, row)).filter((course) => !taken.some((one) => isSameCourse(one, course)))
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
  const { ids, touched } = await keepersOfTouched(writing.trx, order)
  for (const id of ids) await processAgain(writing, { id, courses: touched })
  return ids.map(undone)
}

/** The deliveries that keep a course in which a call of the order may have changed something, sorted by id. */
async function keepersOfTouched(trx: Transaction<Tables>, order: ClaimedOrder) {
  const touched = await readTouched(trx, order.row)
  const found = new Set<string>()
  for (const course of touched) for (const id of await keepersOf(trx, { order, course })) found.add(id)
  return { ids: [...found].sort(), touched }
}

/**
 * The deliveries that keep a refunded course for the same buyer, sorted by id: those of the same address, of the one
 * that the buyer's account has by now, or of any other one under which that account got the course, but not those that
 * gave the course to another account. If another account has the sold address by now (`isTaken`), a sale to it that has
 * given the course to nobody yet is that one's. A refund orders a withdrawal for each delivery that it concerns. So
 * another one that wants the course, without such an order or sent again since, is a sale that was not refunded: it
 * came later, or the refund names a single sale. One whose access has ended keeps nothing, and one whose paid mode an
 * order left keeps it. An operator's withdrawal hits the older sales to the same address, too: its page names them.
 * What came since, or corrects this sale, keeps the course.
 * @param of.accountId the buyer's account as it was found just now; absent: the one that the course was given to
 */
export async function keepersOf(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  {
    order: { row, delivery },
    order,
    course,
    accountId = accountIn(readAccounts(order.delivery.accounts), course)?.id,
    isTaken = false,
  }: { order: ClaimedOrder; course: string; accountId?: number | undefined; isTaken?: boolean },
): Promise<string[]> {
  const addresses = holdsOf(order)
  // The page of an operator's withdrawal names the sales that were there, and not what came since or corrects this one.
  const isNamed = ({ id, email }: Pick<DeliveryRow, 'id' | 'email'>): boolean =>
    row.refund_id === null && email === delivery.email && id < row.id && id !== delivery.replaced_by
  const others = await db
    .selectFrom('deliveries')
    .select(['id', 'email', 'state', 'request', 'outcome', 'standings', 'accounts', 'generation'])
    .where((eb) => {
      const toAddresses = addresses.map((address) => eb('email', '=', address))
      const toAccount =
        accountId === undefined ? [] : [eb('user_id', '=', accountId).and('email', '!=', delivery.email)]
      return eb.or([...toAddresses, ...toAccount])
    })
    .where('id', '!=', row.delivery_id)
    .where('state', 'in', LIVE)
    .execute()
  const isAnothers = (other: Pick<DeliveryRow, 'email' | 'accounts' | 'outcome'>): boolean => {
    const account = accountIn(readAccounts(other.accounts), course)?.id
    if (account === undefined) return isTaken && other.email === delivery.email && !hasEnrolled(other, course)
    return accountId !== undefined && accountId !== account
  }
  const wanting = others.filter(
    (other) => !isNamed(other) && wants(other, course) && !hasEnded(other, course) && !isAnothers(other),
  )
  if (wanting.length === 0) return []
  const ids = wanting.map(({ id }) => id)
  const orders = await db.selectFrom('withdrawals').selectAll().where('delivery_id', 'in', ids).execute()
  const isWithdrawn = (id: string, generation: number): boolean =>
    orders.some(
      (row) =>
        row.delivery_id === id &&
        row.generation === generation &&
        withdrawalOf(row).courses.some((withdrawn) => isSameCourse(withdrawn, course)) &&
        !leftPaid(row, course),
    )
  return wanting.flatMap(({ id, generation }) => (isWithdrawn(id, generation) ? [] : id)).sort()
}

/** Whether an order that has ended left the course because the buyer paid for its mode. */
const leftPaid = (row: WithdrawalRow, course: string): boolean =>
  row.ended_at !== null &&
  row.paid === 0 &&
  Object.entries(withdrawalOf(row).result?.courses ?? {}).some(
    ([key, { kind, mode }]) => isSameCourse(key, course) && kind === 'kept' && mode !== null,
  )

/**
 * Whether a live delivery wants a course. One that needs attention only wants what it reported: the rest waits for a
 * person.
 */
function wants(row: Pick<DeliveryRow, 'state' | 'request' | 'outcome'>, course: string): boolean {
  const { outcome } = row
  const reported = outcome === null ? [] : Object.keys(readOutcome(outcome).courses)
  return (row.state === 'needs_attention' ? reported : coursesOf(row)).some((key) => isSameCourse(key, course))
}

const hasEnrolled = ({ outcome }: Pick<DeliveryRow, 'outcome'>, course: string): boolean =>
  outcome !== null && readOutcome(outcome).courses[course] === 'enrolled'

/** Whether the buyer has lost the course in the LMS since the delivery was enrolled. */
const hasEnded = ({ standings }: Pick<DeliveryRow, 'standings'>, course: string): boolean =>
  Object.entries(readStandings(standings)).some(
    ([key, { endedAt }]) => endedAt !== undefined && isSameCourse(key, course),
  )

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
