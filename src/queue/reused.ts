import type { DeliveryRow } from '../database/schema.ts'
import type { TransactionContext } from '../database/transaction.ts'
import type { Change, EventDraft } from './events.ts'
import { readRequest, toProgress } from './rows.ts'

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
