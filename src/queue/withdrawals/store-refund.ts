import { z } from 'zod'
import type { DeliveryRow, Trx } from '../../database/schema.ts'
import { ROW_CHANGED } from '../../database/transaction.ts'
import { hasCourse } from '../../sale/course-key.ts'
import { hasFailed } from '../../sale/line.ts'
import type { EnrollmentRequest } from '../../sale/types.ts'
import { lockAddress, lockDeliveries, readCorrections } from '../change-deliveries.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from '../events.ts'
import { readDeliveries, type WithLines, withLines } from '../lines.ts'
import { digestOfAddress, emailTerm } from '../search-terms.ts'
import { readSaleId } from '../webhook-ids.ts'
import { insertOrder } from '../withdraw.ts'
import { followCorrections, type Refundable, refundableOf } from './refunded-sales.ts'
import { answering, type Ordered } from './withdrawal.ts'

/** The actor of what a refund orders. */
const SHOP = 'shop'

/**
 * A verified refund. `webhookId`: the shop's name for it; absent if the shop signs without one. `sale`: the delivery or
 * webhook-id of the sale that it takes back; absent if it names none.
 */
export interface Refund {
  readonly request: Pick<EnrollmentRequest, 'email' | 'courseIds'>
  readonly digest: string
  readonly sale?: string
  readonly webhookId?: string
}

/**
 * - `accepted`: stored. `orders` are the withdrawals that it waits for, and `deliveries` those that it concerns, the
 *   newest last. `isRepeat`: it came before under its webhook-id. Then it only tries again what has failed.
 * - `never_sold`: no delivery sold these courses to the buyer. Nothing is withdrawn, not even from the others.
 * - `sale_id`: its webhook-id is that of a sale, and nothing is stored. `refund_reused`: that of another refund.
 */
export type StoredRefund =
  | {
      readonly kind: 'accepted'
      readonly deliveries: readonly string[]
      readonly orders: readonly Ordered[]
      readonly isRepeat: boolean
    }
  | { readonly kind: 'never_sold'; readonly courses: readonly string[] }
  | { readonly kind: 'sale_id'; readonly deliveries: readonly string[] }
  | { readonly kind: 'refund_reused'; readonly deliveries: readonly string[] }

/**
 * Stores a refund in one transaction: a withdrawal for each delivery that it concerns (see readRefundable), or that
 * corrects such a delivery, paid course modes included. Deliveries that are still to be done go on with the courses that
 * the refund leaves. Throws what the database throws.
 */
export function storeRefund(context: WriteContext, refund: Refund): Promise<StoredRefund> {
  return auditedChange<StoredRefund>(context, async (writing) => {
    const { digest, webhookId } = refund
    const known = webhookId === undefined ? null : await storeRefundId(writing, { webhookId, ...refund.request })
    if (known?.kind === 'sale') return { result: { kind: 'sale_id', deliveries: [known.deliveryId] }, listed: [] }
    if (known?.kind === 'known' && known.digest !== digest) {
      return { result: { kind: 'refund_reused', deliveries: [known.deliveryId] }, listed: [] }
    }
    if (known?.kind === 'known') {
      const { drafts, ...repeated } = await refundAgain(writing, known, refund.request)
      return { result: { kind: 'accepted', isRepeat: true, ...repeated }, listed: [], others: drafts }
    }
    const { found, newest } = await readRefundable(writing, refund)
    const sold = new Set(found.flatMap((one) => one.sold))
    const never = [...new Set(refund.request.courseIds)].filter((course) => !sold.has(course))
    if (never.length > 0) return { result: { kind: 'never_sold', courses: never }, listed: [] }
    const { orders, drafts } = await orderAll(writing, found)
    const deliveries = found.map(({ row }) => row.id)
    if (webhookId !== undefined) {
      const own = found.filter(({ row }) => row.email === emailTerm(refund.request.email))
      // Of the buyer's own, even if the refund concerns only a correction: forget finds the id by it.
      const deliveryId = own.at(-1)?.row.id ?? newest
      await acceptRefundId(writing, { webhookId, deliveryId, digest, orders })
      // So retention deletes neither before a repeat of the refund can come.
      const row = writing.trx.updateTable('deliveries').where('id', '=', deliveryId)
      await row.set({ active_at: writing.at }).execute()
    }
    const result = { kind: 'accepted', deliveries, orders, isRepeat: false } as const
    return { result, listed: [], others: drafts }
  })
}

interface Found {
  readonly row: WithLines<DeliveryRow>
  /** The courses of the refund that it sold, as the refund names them. */
  readonly sold: readonly string[]
  readonly refundable: Refundable
}

/**
 * The deliveries of the buyer that the refund concerns, and those that correct them, oldest first, and the id of the buyer's
 * newest delivery; '' if there is none. Locks all deliveries of the buyer.
 *
 * A refund concerns one sale if its payload is that of a sale, even one with a `sale` of the shop's own, or if it names
 * it; what another sale of the buyer keeps is then left to it. Any other refund concerns every delivery that sold one of
 * its courses.
 */
async function readRefundable(
  { trx }: TransactionContext,
  { request: { email, courseIds }, digest, sale }: Refund,
): Promise<{ found: readonly Found[]; newest: string }> {
  const address = emailTerm(email)
  await lockAddress({ trx }, address)
  const sales = await trx.selectFrom('deliveries').selectAll().where('email', '=', address).orderBy('id').execute()
  const rows = await withLines(trx, sales)
  const newest = rows.at(-1)?.id ?? ''
  const same = rows.filter((row) => row.digest === digest)
  if (same.length > 0) return { found: await concernedBy(trx, { rows: same, courseIds }), newest }
  if (sale !== undefined) {
    const named = [sale, await readSaleId(trx, sale)]
    const ofSale: typeof rows = []
    // The shop learns the id of a correction from an event or the answer to a repeat, but refunds the payload that it sold.
    for (const row of rows) {
      const ids = [row.id, ...(await readCorrections(trx, row))]
      if (ids.some((id) => named.includes(id))) ofSale.push(row)
    }
    return { found: await concernedBy(trx, { rows: ofSale, courseIds }), newest }
  }
  return { found: await concernedBy(trx, { rows, courseIds }), newest }
}

/** Those of these deliveries that sold one of the courses, with those that correct them. */
async function concernedBy(
  trx: Trx,
  { rows, courseIds }: { rows: readonly WithLines<DeliveryRow>[]; courseIds: readonly string[] },
): Promise<readonly Found[]> {
  if (rows.length === 0) return []
  const concerned = await followCorrections({ trx }, { rows, named: courseIds })
  return concerned.flatMap(({ row, keysOf }) => {
    const named = [...new Set([...keysOf.values()].flat())]
    const refundable = refundableOf({ row, named })
    if (refundable === null || refundable.sold.length === 0) return []
    const isSold = (key: string): boolean => refundable.sold.includes(key)
    const sold = [...keysOf].filter(([, keys]) => keys.some(isSold)).map(([course]) => course)
    return [{ row, sold, refundable }]
  })
}

async function orderAll(
  writing: TransactionContext,
  found: readonly Found[],
): Promise<{ orders: Ordered[]; drafts: EventDraft[] }> {
  const orders: Ordered[] = []
  const drafts: EventDraft[] = []
  for (const { row, refundable } of found) {
    const { courses, doing, goesOn } = refundable
    orders.push(...doing)
    if (courses.length === 0) continue
    const order = { paid: true, by: SHOP }
    const { withdrawal, drafts: ordered } = await insertOrder(writing, { order, row, courses, goesOn, isRefund: true })
    orders.push(...courses.map((course) => ({ delivery: row.id, order: withdrawal.id, course })))
    drafts.push(...ordered)
  }
  return { orders, drafts }
}

/**
 * Orders again what the withdrawals of a known refund left undone, because the cause may be gone by now; but not for a
 * delivery that was sent again or replayed since, because that is the newer statement. What corrects a delivery since is
 * refunded, too. Of a withdrawal that an operator ordered, only the courses of the refund are.
 */
async function refundAgain(
  writing: TransactionContext,
  { webhookId, orders: ordered, ...known }: Extract<RefundId, { kind: 'known' }>,
  { courseIds }: Pick<Refund['request'], 'courseIds'>,
): Promise<{ deliveries: readonly string[]; orders: readonly Ordered[]; drafts: readonly EventDraft[] }> {
  const { trx } = writing
  const concerned = new Set(ordered.map(({ delivery }) => delivery))
  await lockDeliveries(writing, [...concerned])
  const orders: Ordered[] = []
  const drafts: EventDraft[] = []
  for (const group of Map.groupBy(ordered, ({ order }) => order).values()) {
    // Read again: the order before may have started their delivery again (see continueWithout).
    const rows = await readDeliveries(
      trx,
      group.slice(0, 1).map(({ delivery }) => delivery),
    )
    const lines = rows.flatMap((row) => row.lines)
    const isToDo = (one: Ordered): boolean => {
      const withdrawal = answering(one, lines)
      if (withdrawal === null || !hasFailed(withdrawal)) return false
      return withdrawal.isRefund || hasCourse(courseIds, one.course)
    }
    const named = group.filter(isToDo).map(({ course }) => course)
    const found = named.length === 0 ? [] : await concernedBy(trx, { rows, courseIds: named })
    const again = await orderAll(writing, found)
    for (const { row } of found) concerned.add(row.id)
    orders.push(...group.filter((one) => found.length === 0 || !isToDo(one)), ...again.orders)
    drafts.push(...again.drafts)
  }
  if (orders.some((one) => !ordered.includes(one))) await acceptRefundId(writing, { ...known, webhookId, orders })
  const deliveries = concerned.size === 0 ? [known.deliveryId] : [...concerned].sort()
  return { deliveries, orders, drafts }
}

/** A refund by its webhook-id. In the row, `orders` is null if it was not accepted. */
type RefundId =
  | { readonly kind: 'new' }
  | { readonly kind: 'sale'; readonly deliveryId: string }
  | {
      readonly kind: 'known'
      readonly webhookId: string
      readonly deliveryId: string
      readonly digest: string
      readonly orders: readonly Ordered[]
    }

/**
 * Stores the webhook-id of a refund for an address. Call it first in the transaction. `sale`: a sale came under the id,
 * and nothing is stored. `known`: the refund came before and was accepted. Throws as storeSaleIds does, and ROW_CHANGED if
 * another transaction has accepted it meanwhile.
 */
export async function storeRefundId(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  { webhookId, email }: { webhookId: string; email: string },
): Promise<RefundId> {
  const mine = trx.selectFrom('webhook_ids').selectAll().where('webhook_id', '=', webhookId)
  const row = await mine.executeTakeFirst()
  if (row === undefined) {
    const digest = digestOfAddress(emailTerm(email))
    const of = { webhook_id: webhookId, purpose: 'refund' as const, delivery_id: '', digest, orders: null }
    await trx
      .insertInto('webhook_ids')
      .values({ ...of, received_at: at })
      .execute()
    return { kind: 'new' }
  }
  const { purpose, delivery_id, digest, orders } = row
  if (purpose === 'sale') return { kind: 'sale', deliveryId: delivery_id }
  if (orders !== null) {
    return {
      kind: 'known',
      webhookId,
      deliveryId: delivery_id,
      digest: digest ?? '',
      orders: orderedSchema.parse(JSON.parse(orders)),
    }
  }
  const { numUpdatedRows } = await trx
    .updateTable('webhook_ids')
    .set({ purpose }) // changes nothing, and locks it before the refund locks a delivery
    .where('webhook_id', '=', webhookId)
    .where('orders', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw ROW_CHANGED
  return { kind: 'new' }
}

const orderedSchema = z.array(z.object({ delivery: z.string(), order: z.string(), course: z.string() }))

/** Stores what a refund waits for, after storeRefundId. */
async function acceptRefundId(
  { trx }: Pick<TransactionContext, 'trx'>,
  of: { webhookId: string; deliveryId: string; digest: string; orders: readonly Ordered[] },
): Promise<void> {
  const { webhookId, deliveryId, digest, orders } = of
  await trx
    .updateTable('webhook_ids')
    .set({ delivery_id: deliveryId, digest, orders: JSON.stringify(orders) })
    .where('webhook_id', '=', webhookId)
    .execute()
}
