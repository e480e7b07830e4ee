import { z } from 'zod'
import type { TransactionContext } from '../../database/write-context.ts'
import { digestOfAddress, emailTerm } from '../search-terms.ts'

type Writing = Pick<TransactionContext, 'trx' | 'at'>

/** A refund by its webhook-id. In the row, `orders` is null if it was not accepted. */
export type RefundId =
  | { readonly kind: 'new' }
  | { readonly kind: 'sale'; readonly deliveryId: string }
  | { readonly kind: 'known'; readonly deliveryId: string; readonly digest: string; readonly orders: readonly string[] }

/**
 * Stores the webhook-id of a refund for an address. Call it first in the transaction. `sale`: a sale came under the id,
 * and nothing is stored. `known`: the refund came before and was accepted.
 */
export async function storeRefundId(
  { trx, at }: Writing,
  { webhookId, email }: { webhookId: string; email: string },
): Promise<RefundId> {
  const row = {
    webhook_id: webhookId,
    purpose: 'refund' as const,
    delivery_id: '',
    digest: digestOfAddress(emailTerm(email)),
    orders: null,
    received_at: at,
  }
  await trx.insertInto('webhook_ids').ignore().values(row).execute()
  const mine = trx.selectFrom('webhook_ids').selectAll().where('webhook_id', '=', webhookId)
  const { purpose, delivery_id, digest, orders } = await mine.executeTakeFirstOrThrow()
  if (purpose === 'sale') return { kind: 'sale', deliveryId: delivery_id }
  if (orders !== null) {
    return { kind: 'known', deliveryId: delivery_id, digest: digest ?? '', orders: readOrders(orders) }
  }
  const sale = await saleUnder({ trx }, webhookId)
  if (sale === null) return { kind: 'new' }
  await trx.deleteFrom('webhook_ids').where('webhook_id', '=', webhookId).execute()
  return { kind: 'sale', deliveryId: sale }
}

/** Stores what a refund waits for, after storeRefundId. */
export async function acceptRefundId(
  { trx }: Pick<Writing, 'trx'>,
  of: { webhookId: string; deliveryId: string; digest: string; orders: readonly string[] },
): Promise<void> {
  const { webhookId, deliveryId, digest, orders } = of
  await trx
    .updateTable('webhook_ids')
    .set({ delivery_id: deliveryId, digest, orders: JSON.stringify(orders) })
    .where('webhook_id', '=', webhookId)
    .execute()
}

/** The delivery that has this webhook-id; null if none has. Waits for a transaction that has inserted one. */
async function saleUnder({ trx }: Pick<Writing, 'trx'>, webhookId: string): Promise<string | null> {
  const { numUpdatedRows } = await trx
    .updateTable('deliveries')
    .set({ webhook_id: webhookId })
    .where('webhook_id', '=', webhookId)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return null
  const found = trx.selectFrom('deliveries').select('id').where('webhook_id', '=', webhookId)
  return (await found.executeTakeFirstOrThrow()).id
}

const readOrders = (text: string): readonly string[] => z.array(z.string()).parse(JSON.parse(text))
