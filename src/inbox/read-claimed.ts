import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { Delivery, DeliveryEvent, Reason } from '../delivery/types.ts'
import { areStored, type EventDraft, insertEvents } from './events.ts'
import { toDelivery, unreadable } from './rows.ts'
import { touchFurtherCourses } from './search-terms.ts'

/** `me`: this replica's name. */
interface Reading extends WriteContext {
  readonly me: string
}

/**
 * The whole rows, in the order of `ids`; one that is no longer due, or no longer `me`'s, is left out. So is one that
 * can't be read: it is taken out of the queue for a person to look at, and holds up no other; `events` tell of that.
 */
export async function readClaimed({
  ids,
  ...context
}: Reading & { ids: readonly string[] }): Promise<{ deliveries: Delivery[]; events: DeliveryEvent[] }> {
  if (ids.length === 0) return { deliveries: [], events: [] }
  const rows = await context.database.db
    .selectFrom('deliveries')
    .selectAll()
    .where('id', 'in', ids)
    .where('owner', '=', context.me)
    .where('state', '=', 'waiting')
    .where('due_at', '<=', context.now())
    .execute()
  const byId = new Map<string, Delivery>()
  const bad = new Map<string, Reason>()
  for (const row of rows) {
    try {
      if (row.request === null) bad.set(row.id, EMPTY)
      else byId.set(row.id, toDelivery(row))
    } catch (error) {
      bad.set(row.id, unreadable(error))
    }
  }
  const events = bad.size === 0 ? [] : await setAside({ ...context, bad })
  return { deliveries: ids.flatMap((id) => byId.get(id) ?? []), events }
}

const EMPTY: Reason = { code: 'row.unreadable', subject: 'it holds no request' }

async function setAside({
  database,
  now,
  newId,
  random,
  me,
  bad,
}: Reading & { bad: ReadonlyMap<string, Reason> }): Promise<DeliveryEvent[]> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const at = now()
      const happened: EventDraft[] = []
      for (const [id, reason] of [...bad].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const outcome = JSON.stringify({ courses: {}, reason })
        const { numUpdatedRows } = await trx
          .updateTable('deliveries')
          .set({ state: 'needs_attention', outcome, due_at: null, owner: null, settled_at: at, active_at: at })
          .where('id', '=', id)
          .where('owner', '=', me)
          .where('state', '=', 'waiting')
          .executeTakeFirst()
        if (numUpdatedRows === 0n) continue
        const detail = `the stored row can't be read: ${reason.subject}`
        happened.push({ deliveryId: id, kind: 'needs_attention', detail })
      }
      const ids = happened.map(({ deliveryId }) => deliveryId)
      await touchFurtherCourses({ trx, at }, ids)
      return insertEvents({ trx, at, newId }, happened)
    },
    isStored: areStored,
  })
}
