import type { Db } from '../database/schema.ts'
import { hasCourse, isSameCourse } from '../sale/course-key.ts'
import { isWanted, isWithdrawing, type Line, type LineWithdrawal, lineOf } from '../sale/line.ts'
import {
  changedSince,
  inDoubt,
  lockAddress,
  lockDelivery,
  NOTE_MAX,
  type Outdated,
  readCorrections,
  type Seen,
  setHandled,
  startAgain,
} from './change-deliveries.ts'
import { auditedChange, type EventDraft, MAX_ACTOR, type TransactionContext, type WriteContext } from './events.ts'
import { readDeliveries, storeLines, withLines } from './lines.ts'
import { isLive } from './withdrawals/keepers.ts'
import { type Withdrawable, type WithdrawableRow, withdrawableOf } from './withdrawals/withdrawable.ts'
import { endedEarly, type Withdrawal, withdrawalsOf } from './withdrawals/withdrawal.ts'

/**
 * `courses`: null for all that can be withdrawn. `paid`: whether to take away paid course modes too. `hadBefore`: whether to take
 * away what the buyer had before the sale, too; absent: no. `note`: why, for the timeline.
 */
export interface WithdrawalOrder extends Seen {
  readonly id: string
  readonly courses: readonly string[] | null
  readonly paid: boolean
  readonly hadBefore?: boolean
  readonly by: string
  readonly note?: string
}

/**
 * - `ordered`: stored; the service carries it out.
 * - `pending`: earlier orders for these courses have not ended. Nothing was stored.
 * - `refused`: nothing was stored. `not_reported`: the delivery never reported `course`, so this service didn't
 *   put the buyer there. `nothing`: there is nothing to withdraw.
 */
export type WithdrawalOrdered =
  | { readonly kind: 'ordered' | 'pending'; readonly withdrawal: Withdrawal }
  | { readonly kind: 'refused'; readonly why: 'not_reported' | 'nothing'; readonly course: string }
  | { readonly kind: 'unknown' }

/** See Operations.withdraw. */
export async function orderWithdrawal(
  context: WriteContext,
  order: WithdrawalOrder,
): Promise<WithdrawalOrdered | Outdated> {
  // Read before the transaction, which has to lock before it reads. A delivery keeps its address until it is erased.
  const mine = context.database.db.selectFrom('deliveries').select('email').where('id', '=', order.id)
  const address = (await mine.executeTakeFirst())?.email ?? null
  return auditedChange<WithdrawalOrdered | Outdated>(context, async (writing) => {
    if (address !== null) await lockAddress(writing, address)
    await lockDelivery(writing, order.id)
    const change = await changedSince(writing, { ...order, as: 'withdrawal_requested' })
    if (change !== null) return { result: { kind: 'outdated', change }, listed: [] }
    const { result, drafts: own } = await storeWithdrawal(writing, order)
    const drafts = [...own] // all by the operator: an order takes no course from one that is open
    if (result.kind === 'ordered') {
      for (const other of await readOtherSales(writing.trx, { id: order.id, courses: result.withdrawal.courses })) {
        const [row] = await readDeliveries(writing.trx, [other.id])
        if (row === undefined) continue
        const of = { order, row, courses: other.courses, goesOn: row.state === 'queued', isRefund: false }
        drafts.push(...(await insertOrder(writing, of)).drafts)
      }
    }
    return { result, listed: drafts }
  })
}

/**
 * The other sales of these courses to the buyer of a delivery, under its address, with those of them that each still wants,
 * whatever its state, sorted by id. An operator's withdrawal takes the buyer out of them, too: else one of them would keep the
 * course. Not the corrections of the delivery, which are what the buyer is to have, and not a sale to whoever has the address
 * since the buyer left it: to another account, or an allowance for it after an account had got the course. A sale that has
 * reached nobody yet says nothing of that, and is taken for the buyer's.
 */
export async function readOtherSales(
  trx: Db,
  { id, courses }: { id: string; courses: readonly string[] },
): Promise<readonly { readonly id: string; readonly courses: readonly string[] }[]> {
  const [mine] = await readDeliveries(trx, [id])
  if (mine === undefined || mine.email === null) return []
  const corrections = new Set(await readCorrections(trx, mine))
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'state', 'handled_as', 'replaced_by'])
    .where('email', '=', mine.email)
    .where('id', '!=', id)
    .orderBy('id')
    .execute()
  return (await withLines(trx, rows)).flatMap((row) => {
    if (!isLive(row) || corrections.has(row.id)) return []
    const isSamePerson = (course: string): boolean => {
      const [older, newer] = row.id < id ? [row, mine] : [mine, row]
      const [first, then] = [older, newer].map(({ lines }) => lineOf(lines, course))
      const account = first?.account?.id
      const isUntried = then?.result === null && then.account === null
      return account === undefined || account === then?.account?.id || isUntried
    }
    const sold = row.lines
      .filter((line) => isWanted(line) && hasCourse(courses, line.course))
      .map(({ course }) => course)
      .filter(isSamePerson)
    return sold.length === 0 ? [] : [{ id: row.id, courses: sold }]
  })
}

/** Stores an order in a transaction that has locked the delivery. A queued delivery goes on without its courses. */
export async function storeWithdrawal(
  writing: TransactionContext,
  order: WithdrawalOrder,
): Promise<{ result: WithdrawalOrdered; drafts: readonly EventDraft[] }> {
  const { trx } = writing
  const [row] = await readDeliveries(trx, [order.id])
  if (row === undefined) return { result: { kind: 'unknown' }, drafts: [] }
  const chosen = chooseCourses(withdrawableOf(row), order.courses)
  if (!Array.isArray(chosen)) return { result: chosen, drafts: [] }
  const isOpen = (course: string): boolean => {
    const line = lineOf(row.lines, course)
    return line !== undefined && isWithdrawing(line)
  }
  const courses = chosen.filter((course) => !isOpen(course))
  const pending = withdrawalsOf(row).find(({ endedAt }) => endedAt === null)
  if (pending !== undefined && courses.length === 0)
    return { result: { kind: 'pending', withdrawal: pending }, drafts: [] }
  const isQueued = row.state === 'queued'
  const ordered = await insertOrder(writing, { order, row, courses, goesOn: isQueued, isRefund: false })
  return { result: { kind: 'ordered', withdrawal: ordered.withdrawal }, drafts: ordered.drafts }
}

/**
 * Stores an order without further checks, in a transaction that has locked the delivery. `goesOn`: the delivery is attempted
 * without these courses from now on, or ends if it has no others. `isRefund`: whether the shop orders it. An order in the
 * place of a refund that has failed is a refund, too, and takes what that one was to take.
 */
export async function insertOrder(
  writing: TransactionContext,
  of: {
    order: Pick<WithdrawalOrder, 'paid' | 'hadBefore' | 'by' | 'note'>
    row: WithdrawableRow
    courses: readonly string[]
    goesOn: boolean
    isRefund: boolean
  },
): Promise<{ withdrawal: Withdrawal; drafts: EventDraft[] }> {
  const { trx, at, newId } = writing
  const { order, row, courses, goesOn, isRefund } = of
  const { id } = row
  const before = goesOn ? await continueWithout(writing, { row, courses }) : row.lines
  const withdrawal: LineWithdrawal = {
    id: newId(),
    paid: order.paid,
    hadBefore: order.hadBefore ?? false,
    by: order.by.slice(0, MAX_ACTOR),
    isRefund,
    requestedAt: at,
    dueAt: at,
    endedAt: null,
    attempts: 0,
    called: false,
    result: null,
    message: '',
  }
  const lines = before.map((old): Line => {
    if (!hasCourse(courses, old.course)) return old
    const line = row.effect_unknown === 0 ? old : inDoubt(old)
    const { isRefund: wasRefund = false, called = false } = line.withdrawal ?? {}
    const mine = { paid: withdrawal.paid || wasRefund, isRefund: isRefund || wasRefund, called }
    return { ...line, withdrawal: { ...withdrawal, ...mine } }
  })
  await storeLines(trx, [{ id, before, lines }])
  await trx.updateTable('deliveries').set({ active_at: at }).where('id', '=', id).execute()
  const too = [
    ...(order.paid ? ['paid course modes'] : []),
    ...(order.hadBefore ? ['what was there before the sale'] : []),
  ]
  const from = `from ${courses.join(', ')}${too.length === 0 ? '' : `, ${too.join(' and ')} too`}`
  const why = order.note === undefined || order.note === '' ? '' : `: ${order.note.slice(0, NOTE_MAX)}`
  const detail = isRefund ? `refund from the shop: ${from}` : from + why
  const { called: _called, result: _result, message: _message, ...common } = withdrawal
  const requested = { deliveryId: id, kind: 'withdrawal_requested', detail, actor: order.by } as const
  return {
    withdrawal: { ...common, deliveryId: id, courses, result: null },
    drafts: [requested, ...endedEarly(id, { before, after: lines, why: 'a refund by the shop came in its place' })],
  }
}

/**
 * Starts a delivery again without these courses and those of earlier orders, which stay the newest statement about them. It
 * keeps what it reported, so no other course is enrolled twice. An attempt in progress answers only who waited for it. A
 * delivery without a further course is handled. Resolves to its lines.
 */
async function continueWithout(
  writing: TransactionContext,
  { row, courses }: { row: WithdrawableRow; courses: readonly string[] },
): Promise<readonly Line[]> {
  const { id, lines } = row
  if (lines.filter(isWanted).every(({ course }) => hasCourse(courses, course))) {
    await setHandled(writing, { id, as: null })
    return lines
  }
  const unchecked = (line: Line): Line => ({ ...line, standing: null })
  // One that has ended may have done what nobody knows of.
  const as = row.state === 'queued' ? 'same' : 'rest'
  const [started] = await startAgain(writing, { ids: [id], as, lineOf: unchecked })
  return started?.lines ?? lines
}

/** The courses of the order, spelled as the delivery has them; or the refusal. */
function chooseCourses(
  withdrawable: Withdrawable | null,
  named: readonly string[] | null,
): string[] | Extract<WithdrawalOrdered, { kind: 'refused' }> {
  const all = withdrawable?.courses.map(({ course }) => course) ?? []
  const chosen: string[] = []
  for (const key of named ?? all) {
    const found = all.find((course) => isSameCourse(key, course))
    if (found === undefined) return { kind: 'refused', why: 'not_reported', course: key }
    if (!chosen.includes(found)) chosen.push(found)
  }
  if (chosen.length === 0) return { kind: 'refused', why: 'nothing', course: '' }
  return chosen
}
