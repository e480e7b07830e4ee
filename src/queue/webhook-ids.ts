import { ROW_CHANGED, type TransactionContext } from '../database/transaction.ts'
import type { VerifiedWebhook } from '../sale/types.ts'
import type { Change } from './events.ts'
import { type Accepted, idReused, readResults } from './known.ts'

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
 * not become a sale (decision 22). So is what comes under the id of a repeat of another sale, which changes nothing and
 * gets the result of that sale (decision 23). Results are in the order of `webhooks`.
 */
export async function exceptTaken(
  context: Pick<Writing, 'trx'>,
  webhooks: readonly VerifiedWebhook[],
  store: (sales: readonly VerifiedWebhook[]) => Promise<Change[]>,
): Promise<Change[]> {
  const { refunds, repeats } = await readTaken(context, namesOf(webhooks))
  if (refunds.size === 0 && repeats.size === 0) return store(webhooks)
  const results = await readResults(
    context,
    [...repeats.values()].map(({ id }) => id),
  )
  const taken = ({ webhookId = '', digest }: VerifiedWebhook): Change | null => {
    if (refunds.has(webhookId)) return REFUND_ID
    const sale = repeats.get(webhookId)
    const result = results.get(sale?.id ?? '')
    if (sale === undefined || result === undefined || sale.digest === digest) return null
    return { id: sale.id, ...result, drafts: [idReused(sale.id, webhookId)] }
  }
  const sales = webhooks.filter((webhook) => taken(webhook) === null)
  const changes = sales.length === 0 ? [] : await store(sales)
  return webhooks.map((webhook) => {
    const change = taken(webhook) ?? changes.shift()
    if (change === undefined) throw new Error('a webhook was not stored')
    return change
  })
}

/** Among these webhook-ids, those under which a refund came before, and the sales that were repeated under others. */
async function readTaken({ trx }: Pick<Writing, 'trx'>, names: readonly string[]) {
  const rows =
    names.length === 0
      ? []
      : await trx
          .selectFrom('webhook_ids')
          .leftJoin('deliveries', 'deliveries.id', 'webhook_ids.delivery_id')
          .select(['webhook_ids.webhook_id as name', 'webhook_ids.purpose', 'deliveries.id', 'deliveries.digest'])
          .where('webhook_ids.webhook_id', 'in', names)
          .execute()
  const refunds = rows.flatMap(({ name, purpose }) => (purpose === 'refund' ? name : []))
  const repeats = rows.flatMap(({ name, purpose, id, digest }) =>
    purpose === 'refund' || id === null || digest === null ? [] : [[name, { id, digest }] as const],
  )
  return { refunds: new Set(refunds), repeats: new Map(repeats) }
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
