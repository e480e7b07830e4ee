import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { Reason } from '../sale/reasons.ts'
import type { Delivery, DeliveryEvent } from '../sale/types.ts'
import { reasonText } from '../sale/words.ts'
import { areStored, type EventDraft, insertEvents } from './events.ts'
import { outcomeColumns, toDelivery, unreadable } from './rows.ts'

/** `me`: this replica's name. */
interface ReplicaContext extends WriteContext {
  readonly me: string
}

/**
 * The full rows, in the order of `ids`, without those that are no longer due or no longer belong to `me`. A row that
 * can't be read leaves the queue and needs attention, so that it delays no other; `events` record that.
 */
export async function readClaimed({
  ids,
  ...context
}: ReplicaContext & { ids: readonly string[] }): Promise<{ deliveries: Delivery[]; events: DeliveryEvent[] }> {
  if (ids.length === 0) return { deliveries: [], events: [] }
  const rows = await context.database.db
    .selectFrom('deliveries')
    .selectAll()
    .where('id', 'in', ids)
    .where('owner', '=', context.me)
    .where('state', '=', 'queued')
    .where('due_at', '<=', context.now())
    .execute()
  const byId = new Map<string, Delivery>()
  const reasons = new Map<string, Reason>()
  for (const row of rows) {
    try {
      if (row.request === null) reasons.set(row.id, NO_REQUEST)
      else byId.set(row.id, toDelivery(row))
    } catch (error) {
      reasons.set(row.id, unreadable(error))
    }
  }
  const events = reasons.size === 0 ? [] : await removeUnreadable({ ...context, reasons })
  return { deliveries: ids.flatMap((id) => byId.get(id) ?? []), events }
}

const NO_REQUEST: Reason = { code: 'row.unreadable', subject: 'it holds no request' }

async function removeUnreadable({
  database,
  now,
  newId,
  random,
  hasOutbox,
  me,
  reasons,
}: ReplicaContext & { reasons: ReadonlyMap<string, Reason> }): Promise<DeliveryEvent[]> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const at = now()
      const drafts: EventDraft[] = []
      for (const [id, reason] of [...reasons].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const outcome = outcomeColumns({ courses: {}, reason })
        const { numUpdatedRows } = await trx
          .updateTable('deliveries')
          .set({ state: 'needs_attention', ...outcome, due_at: null, owner: null, settled_at: at, active_at: at })
          .where('id', '=', id)
          .where('owner', '=', me)
          .where('state', '=', 'queued')
          .executeTakeFirst()
        if (numUpdatedRows === 0n) continue
        const detail = reasonText(reason)
        drafts.push({ deliveryId: id, kind: 'needs_attention', detail })
      }
      return insertEvents({ trx, at, newId, hasOutbox }, drafts)
    },
    isStored: areStored,
  })
}
