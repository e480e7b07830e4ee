import type { Db, DeliveryRow } from '../database/schema.ts'
import { insertRows } from '../database/transaction.ts'
import type { TransactionContext } from './events.ts'
import { readForgotten } from './forgotten-ids.ts'

/**
 * Each webhook-id is one row, so the primary key decides which sale or refund has it: who comes second at the same
 * moment waits for the first one's transaction, gets a conflict, and finds the row when it is tried again.
 *
 * So that no transactions wait for one another in a circle on MySQL, a transaction inserts its ids before it locks a
 * delivery, and several in their order. The row of an id that names a delivery changes only while that is locked.
 */

type Writing = Pick<TransactionContext, 'trx' | 'at'>

/** The sale that has a webhook-id. `isNew`: by this transaction. Then `id` is its delivery's only if it is no repeat. */
export interface SaleHolder {
  readonly purpose: 'sale'
  readonly id: string
  readonly digest: string
  readonly isNew: boolean
}

/** `forgotten`: a sale came under it that was erased with its buyer. */
type Holder = SaleHolder | { readonly purpose: 'refund' } | { readonly purpose: 'forgotten' }

/**
 * Stores the webhook-ids of these sales, each for the first one that has it, unless something came under it before. Call
 * it before the transaction locks a delivery. Returns what has each of them. Throws what the database throws: a conflict
 * if another transaction has stored one of them meanwhile.
 */
export async function storeSaleIds(
  { trx, at }: Writing,
  rows: readonly Pick<DeliveryRow, 'id' | 'digest' | 'webhook_id'>[],
): Promise<ReadonlyMap<string, Holder>> {
  const named = rows.flatMap((row) => (row.webhook_id === null ? [] : [[row.webhook_id, row] as const]))
  if (named.length === 0) return new Map()
  const firsts = new Map(named.toReversed())
  const holders = await readHolders({ trx }, [...firsts.keys()])
  const unknown = [...firsts.keys()].filter((name) => !holders.has(name))
  for (const name of await readForgotten(trx, unknown)) holders.set(name, { purpose: 'forgotten' })
  const free = [...firsts].filter(([name]) => !holders.has(name))
  const inserted = free.map(([webhook_id, { id }]) => ({
    webhook_id,
    purpose: 'sale' as const,
    delivery_id: id,
    digest: null,
    orders: null,
    received_at: at,
  }))
  inserted.sort((a, b) => (a.webhook_id < b.webhook_id ? -1 : 1)) // unsorted, two groups deadlock on MySQL
  await insertRows({ trx, into: 'webhook_ids', rows: inserted })
  for (const [name, { id, digest }] of free) holders.set(name, { purpose: 'sale', id, digest, isNew: true })
  return holders
}

async function readHolders({ trx }: Pick<Writing, 'trx'>, names: readonly string[]): Promise<Map<string, Holder>> {
  const rows = await trx
    .selectFrom('webhook_ids')
    .leftJoin('deliveries', 'deliveries.id', 'webhook_ids.delivery_id')
    .select(['webhook_ids.webhook_id as name', 'webhook_ids.purpose', 'webhook_ids.delivery_id as id'])
    .select('deliveries.digest')
    .where('webhook_ids.webhook_id', 'in', names)
    .execute()
  return new Map(
    rows.map(({ name, purpose, id, digest }) => [
      name,
      purpose === 'refund' ? { purpose } : { purpose, id, digest: digest ?? '', isNew: false },
    ]),
  )
}

/** A repeat under a new webhook-id. */
interface Renamed {
  readonly id: string
  readonly webhookId: string
}

/**
 * Gives webhook-ids that this transaction has stored for sales that turned out to be repeats to their deliveries. One that
 * had none shows the first. Call it after the insert that found these deliveries, which keeps them from being erased.
 */
export async function giveToDeliveries({ trx }: Pick<Writing, 'trx'>, renamed: readonly Renamed[]): Promise<void> {
  for (const { id, webhookId } of renamed.toSorted((a, b) => Number(a.id > b.id) - Number(a.id < b.id))) {
    await trx.updateTable('webhook_ids').set({ delivery_id: id }).where('webhook_id', '=', webhookId).execute()
    await trx
      .updateTable('deliveries')
      .set({ webhook_id: webhookId })
      .where('id', '=', id)
      .where('webhook_id', 'is', null)
      .execute()
  }
}

/** The delivery whose sale, or a repeat of it, came under this webhook-id; null if none did. */
export async function readSaleId(db: Db, webhookId: string): Promise<string | null> {
  const row = await db
    .selectFrom('webhook_ids')
    .select('delivery_id')
    .where('webhook_id', '=', webhookId)
    .where('purpose', '=', 'sale')
    .executeTakeFirst()
  return row?.delivery_id ?? null
}
