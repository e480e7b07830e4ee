import { ROW_CHANGED, type TransactionContext } from '../database/transaction.ts'
import type { VerifiedWebhook } from '../sale/types.ts'
import type { Change } from './events.ts'
import type { Accepted } from './known.ts'

type Writing = Pick<TransactionContext, 'trx' | 'at'>
type Named = Pick<VerifiedWebhook, 'webhookId'>

const namesOf = (webhooks: readonly Named[]): string[] =>
  [...new Set(webhooks.flatMap(({ webhookId }) => webhookId ?? []))].sort()

const REFUND_ID: Change = {
  id: '',
  progress: { state: 'rejected', outcome: { courses: {}, reason: null }, dueAt: null, generation: 0 },
  drafts: [],
  isRefundId: true,
}

/**
 * Stores the sales among these webhooks. What comes under the webhook-id of a refund is left out: a captured refund must
 * not become a sale (decision 22). Results are in the order of `webhooks`.
 */
export async function exceptRefundIds(
  context: Pick<Writing, 'trx'>,
  webhooks: readonly VerifiedWebhook[],
  store: (sales: readonly VerifiedWebhook[]) => Promise<Change[]>,
): Promise<Change[]> {
  const refunds = await refundIdsAmong(context, webhooks)
  if (refunds.size === 0) return store(webhooks)
  const isSale = ({ webhookId }: VerifiedWebhook): boolean => webhookId === undefined || !refunds.has(webhookId)
  const sales = webhooks.filter(isSale)
  const changes = sales.length === 0 ? [] : await store(sales)
  return webhooks.map((webhook) => {
    const change = isSale(webhook) ? changes.shift() : REFUND_ID
    if (change === undefined) throw new Error('a webhook was not stored')
    return change
  })
}

/** The webhook-ids of these webhooks under which a refund came before. */
async function refundIdsAmong({ trx }: Pick<Writing, 'trx'>, webhooks: readonly Named[]): Promise<ReadonlySet<string>> {
  const names = namesOf(webhooks)
  if (names.length === 0) return new Set()
  const rows = await trx
    .selectFrom('webhook_ids')
    .select('webhook_id')
    .where('webhook_id', 'in', names)
    .where('purpose', '=', 'refund')
    .execute()
  return new Set(rows.map(({ webhook_id }) => webhook_id))
}

/**
 * Throws ROW_CHANGED if a refund came under one of these webhook-ids at the same time, so that the transaction is tried
 * again and finds it. Call it after these sales are stored: a refund stores its id first and then waits for such a sale
 * (see storeRefundId in src/queue/withdrawals/store-refund.ts), so of the two, one sees the other.
 */
export async function blockRefundIds({ trx }: Pick<Writing, 'trx'>, webhooks: readonly Named[]): Promise<void> {
  const names = namesOf(webhooks)
  if (names.length === 0) return
  const { numUpdatedRows } = await trx
    .updateTable('webhook_ids')
    .set({ purpose: 'refund' }) // changes nothing, and waits for a transaction that has inserted one of them
    .where('webhook_id', 'in', names)
    .where('purpose', '=', 'refund')
    .executeTakeFirst()
  if (numUpdatedRows > 0n) throw ROW_CHANGED
}

/** Reads which of these webhook-ids are those of sales. Returns the ids of their deliveries, by webhook-id. */
export async function readSaleIds(
  { trx }: Pick<Writing, 'trx'>,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map()
  const first = await trx
    .selectFrom('deliveries')
    .select(['webhook_id', 'id'])
    .where('webhook_id', 'in', names)
    .execute()
  const further = await trx
    .selectFrom('webhook_ids')
    .select(['webhook_id', 'delivery_id as id'])
    .where('webhook_id', 'in', names)
    .where('purpose', '=', 'sale')
    .execute()
  return new Map(
    [...first, ...further].flatMap(({ webhook_id, id }) => (webhook_id === null ? [] : [[webhook_id, id]])),
  )
}

/** Stores the webhook-ids of repeats of deliveries that have another one, so that none of them can name a refund. */
export async function storeFurtherIds({ trx, at }: Writing, repeats: readonly Accepted[]): Promise<void> {
  const rows = repeats.flatMap(({ id, row: { webhook_id } }) =>
    webhook_id === null
      ? []
      : [{ webhook_id, purpose: 'sale' as const, delivery_id: id, digest: null, orders: null, received_at: at }],
  )
  if (rows.length === 0) return
  rows.sort((a, b) => (a.webhook_id < b.webhook_id ? -1 : 1)) // unsorted, two groups deadlock on MySQL
  await trx.insertInto('webhook_ids').ignore().values(rows).execute()
}
