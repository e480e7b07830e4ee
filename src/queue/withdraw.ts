import type { Kysely } from 'kysely'
import type { Tables, WithdrawalRow } from '../database/schema.ts'
import type { WriteContext } from '../database/write-context.ts'
import { isSameCourse } from '../sale/course-key.ts'
import { type AuditedContext, type AuditedResult, auditedChange } from './audited-change.ts'
import { type EventDraft, MAX_ACTOR } from './events.ts'
import { setHandled } from './handle.ts'
import { lockDelivery } from './lock.ts'
import { readWithdrawable, type Withdrawable, type WithdrawableRow, withdrawableOf } from './withdrawable.ts'
import { type Withdrawal, withdrawalOf } from './withdrawal-row.ts'

const LISTED = 20

/** `courses`: null for all that can be withdrawn. `paid`: whether to take away paid course modes too. */
export interface WithdrawalOrder {
  readonly id: string
  readonly courses: readonly string[] | null
  readonly paid: boolean
  readonly by: string
}

/**
 * - `ordered`: stored; the service carries it out.
 * - `pending`: an earlier order for this generation of the delivery has not ended. Nothing was stored.
 * - `refused`: nothing was stored. `not_reported`: the delivery never reported `course`, so this service didn't
 *   put the buyer there. `nothing`: there is nothing to withdraw. `queued`: a queued delivery can only be withdrawn as a whole.
 */
export type WithdrawalOrdered =
  | { readonly kind: 'ordered' | 'pending'; readonly withdrawal: Withdrawal }
  | { readonly kind: 'refused'; readonly why: 'not_reported' | 'nothing' | 'queued'; readonly course: string }
  | { readonly kind: 'unknown' }

/** See Operations.withdraw. */
export async function orderWithdrawal(
  context: WriteContext,
  order: WithdrawalOrder,
): Promise<AuditedResult<WithdrawalOrdered>> {
  return auditedChange(context, async (writing) => {
    await lockDelivery(writing, order.id)
    const { result, drafts } = await storeWithdrawal(writing, order)
    return { result, listed: drafts }
  })
}

/** Stores an order in a transaction that has locked the delivery, and stops the delivery if it is queued. */
export async function storeWithdrawal(
  writing: AuditedContext,
  order: WithdrawalOrder,
): Promise<{ result: WithdrawalOrdered; drafts: readonly EventDraft[] }> {
  const { trx } = writing
  const row = await readWithdrawable(trx, order.id)
  if (row === undefined) return { result: { kind: 'unknown' }, drafts: [] }
  const pending = await trx
    .selectFrom('withdrawals')
    .selectAll()
    .where('delivery_id', '=', order.id)
    .where('generation', '=', row.generation) // an older one is superseded
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  if (pending !== undefined) return { result: { kind: 'pending', withdrawal: withdrawalOf(pending) }, drafts: [] }
  const chosen = chooseCourses(withdrawableOf(row), order.courses)
  if (!Array.isArray(chosen)) return { result: chosen, drafts: [] }
  const { stored, draft } = await insertOrder(writing, { order, row, courses: chosen, stops: row.state === 'queued' })
  return { result: { kind: 'ordered', withdrawal: withdrawalOf(stored) }, drafts: [draft] }
}

/**
 * Stores an order without further checks, in a transaction that has locked the delivery. `stops`: ends the work on the
 * delivery. `refundId`: absent if an operator orders it.
 */
export async function insertOrder(
  writing: AuditedContext,
  of: {
    order: Pick<WithdrawalOrder, 'paid' | 'by'>
    row: WithdrawableRow
    courses: readonly string[]
    stops: boolean
    refundId?: string
  },
): Promise<{ stored: WithdrawalRow; draft: EventDraft }> {
  const { trx, at, newId } = writing
  const { order, row, courses, stops, refundId } = of
  const { id } = row
  const stored = { ...newRow({ id: newId(), order, row, courses, at }), refund_id: refundId ?? null }
  await trx.insertInto('withdrawals').values(stored).execute()
  if (stops) await setHandled(writing, id)
  await trx.updateTable('deliveries').set({ active_at: at }).where('id', '=', id).execute()
  const from = `from ${courses.join(', ')}${order.paid ? ', paid course modes too' : ''}`
  const detail = refundId === undefined ? from : `refund from the shop: ${from}`
  return { stored, draft: { deliveryId: id, kind: 'withdrawal_requested', detail, actor: order.by } }
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
  const left = all.find((course) => !chosen.includes(course))
  if (withdrawable?.isQueued && left !== undefined) return { kind: 'refused', why: 'queued', course: left }
  return chosen
}

function newRow(of: {
  id: string
  order: Pick<WithdrawalOrder, 'paid' | 'by'>
  row: WithdrawableRow
  courses: readonly string[]
  at: number
}): WithdrawalRow {
  const { id, order, row, courses, at } = of
  return {
    id,
    delivery_id: row.id,
    courses: JSON.stringify(courses),
    paid: order.paid ? 1 : 0,
    generation: row.generation,
    owner: null,
    effect_unknown: 0,
    unenrolls_until: null,
    actor: order.by.slice(0, MAX_ACTOR),
    requested_at: at,
    due_at: at,
    attempts: 0,
    ended_at: null,
    result: null,
    refund_id: null,
  }
}

/** Returns the latest 20 orders for a delivery, newest first. */
export async function listWithdrawals(db: Kysely<Tables>, id: string): Promise<Withdrawal[]> {
  const rows = await db
    .selectFrom('withdrawals')
    .selectAll()
    .where('delivery_id', '=', id)
    .orderBy('id', 'desc')
    .limit(LISTED)
    .execute()
  return rows.map(withdrawalOf)
}
