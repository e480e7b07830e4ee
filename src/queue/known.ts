import type { DeliveryRow } from '../database/schema.ts'
import type { TransactionContext } from '../database/transaction.ts'
import type { Change, EventDraft } from './events.ts'
import { readRequest, toProgress } from './rows.ts'

/** A webhook as the row that it would be, and the id of its delivery: that row's own, if it is new. */
export interface Accepted {
  readonly id: string
  readonly isNew: boolean
  readonly row: DeliveryRow
}

/** The deliveries that are stored for webhooks which have just been inserted unless they were known. */
interface Known {
  /** The delivery with the webhook-id of this row, otherwise the one with its digest. */
  idOf(row: DeliveryRow): string
  /** Whether the delivery with this webhook-id is another sale. */
  isReused(row: DeliveryRow): boolean
  /** Whether this is a repeat under another webhook-id than that of its delivery. */
  isRenamed(row: DeliveryRow): boolean
}

/** If all rows were inserted. */
export const NONE_KNOWN: Known = { idOf: ({ id }) => id, isReused: () => false, isRenamed: () => false }

/** Reads what is stored for these rows, after their insertion. */
export async function readKnown(
  { trx }: Pick<TransactionContext, 'trx'>,
  rows: readonly DeliveryRow[],
): Promise<Known> {
  const select = trx.selectFrom('deliveries').select(['id', 'digest', 'webhook_id'])
  const digests = [...new Set(rows.map((row) => row.digest))]
  const names = [...new Set(rows.flatMap((row) => row.webhook_id ?? []))]
  const bySale = await select.where('digest', 'in', digests).execute()
  const byName = names.length === 0 ? [] : await select.where('webhook_id', 'in', names).execute()
  const sold = new Map(bySale.map((row) => [row.digest, row]))
  const named = new Map(byName.map((row) => [row.webhook_id, row]))
  const namedAs = ({ webhook_id }: DeliveryRow) => (webhook_id === null ? undefined : named.get(webhook_id))
  return {
    idOf: (row) => {
      const id = namedAs(row)?.id ?? sold.get(row.digest)?.id
      if (id === undefined) throw new Error(`delivery ${row.id} was not stored`)
      return id
    },
    isReused: (row) => {
      const other = namedAs(row)
      return other !== undefined && other.digest !== row.digest
    },
    isRenamed: ({ digest, webhook_id }) =>
      webhook_id !== null && (sold.get(digest)?.webhook_id ?? webhook_id) !== webhook_id,
  }
}

/**
 * Gives deliveries without a webhook-id the one of their repeat. A delivery keeps the id that it has: a sender that signs
 * the same sale under a second id sends a repeat.
 */
export async function storeWebhookIds(
  { trx }: Pick<TransactionContext, 'trx'>,
  accepted: readonly Accepted[],
): Promise<void> {
  const named = accepted.filter(({ isNew, row }) => !isNew && row.webhook_id !== null)
  for (const { id, row } of named.sort((a, b) => (a.id < b.id ? -1 : 1))) {
    await trx
      .updateTable('deliveries')
      .set({ webhook_id: row.webhook_id })
      .where('id', '=', id)
      .where('webhook_id', 'is', null)
      .execute()
  }
}

type Result = Pick<Change, 'progress'> & { readonly courseCount: number }

/** The results of deliveries, for webhooks that came under their webhook-ids with another body. */
export async function readResults(
  { trx }: Pick<TransactionContext, 'trx'>,
  ids: readonly string[],
): Promise<Map<string, Result>> {
  if (ids.length === 0) return new Map()
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'state', 'due_at', 'outcome', 'generation', 'request'])
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map((row) => [row.id, { progress: toProgress(row), courseCount: countCourses(row) }]))
}

/** 0 without a sale, or if the stored one can't be read. */
function countCourses({ request }: Pick<DeliveryRow, 'request'>): number {
  try {
    return request === null ? 0 : readRequest(request).courseIds.length
  } catch {
    return 0
  }
}

/** The event of a delivery whose webhook-id came with another body. It says nothing about that body's buyer. */
export const idReused = (deliveryId: string, webhookId: string): EventDraft => ({
  deliveryId,
  kind: 'id_reused',
  detail: `another sale came under webhook-id ${webhookId} and was not processed`,
})
