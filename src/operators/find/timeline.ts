import type { Db, EventRow } from '../../database/schema.ts'
import { readAnswer, type ShopAnswer } from '../../queue/shop-answers.ts'
import type { ToldNote } from '../../sale/delivery-sentence.ts'
import { type Delivery, type DeliveryEvent, HANDLED_AS, readCalls } from '../../sale/types.ts'
import type { Page } from './filter.ts'

const EVENTS_MAX = 500
const PAGE = 50

/** An event with what the shop was answered, if it records a request of the shop: see ShopAnswer. */
export interface TimelineEvent extends DeliveryEvent {
  readonly answer?: ShopAnswer
}

/** Returns the last 500 events of a delivery in the order of their numbers, which no clock decides. */
export const timeline = (db: Db, id: string): Promise<TimelineEvent[]> => lastEvents(db, { id, limit: EVENTS_MAX })

/** The same for another number of events, and of those that come after the event `after`. */
export async function lastEvents(
  db: Db,
  { id, limit, after = '' }: { id: string; limit: number; after?: string | undefined },
): Promise<TimelineEvent[]> {
  const rows = await db
    .selectFrom('events')
    .select(['id', 'seq', 'delivery_id', 'at', 'kind', 'detail', 'actor', 'calls', 'answer'])
    .where('delivery_id', '=', id)
    .where('id', '>', after)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows
    .sort((a, b) => a.seq - b.seq || (a.id < b.id ? -1 : 1))
    .map(({ seq: _seq, answer, ...row }) => {
      const given = readAnswer(answer)
      return { ...eventOf(row), ...(given === null ? {} : { answer: given }) }
    })
}

/**
 * Returns the changes by operators, newest first. A correction is one entry, and so is a bulk replay or a bulk correction; a
 * check is none. Events of no delivery have '' as deliveryId. `after`: the `next` of the previous page, which is the id of
 * its last entry.
 */
export async function audit(
  db: Db,
  { limit = PAGE, after = null }: { limit?: number; after?: string | null },
): Promise<Page<DeliveryEvent>> {
  let query = db
    .selectFrom('events')
    .select(['id', 'delivery_id', 'at', 'kind', 'detail', 'actor', 'calls'])
    .where('audited', '=', 1)
    .where('kind', '!=', 'checked')
  if (after !== null) query = query.where('id', '<', after)
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute()
  const listed = rows.slice(0, limit)
  return {
    items: listed.map(eventOf),
    next: rows.length > limit ? (listed.at(-1)?.id ?? null) : null,
  }
}

function eventOf({ delivery_id, calls, ...row }: Omit<EventRow, 'answer' | 'seq' | 'audited'>): DeliveryEvent {
  const read = readCalls(calls)
  return { ...row, deliveryId: delivery_id, ...(read.length === 0 ? {} : { calls: read }) }
}

/**
 * The notes that made deliveries handled, by their ids. One that became so without a note has none: a note of an earlier
 * state, from before it was replayed and stopped again, has another time.
 */
export async function readNotes(
  db: Db,
  of: readonly Pick<Delivery, 'id' | 'state'>[],
): Promise<ReadonlyMap<string, ToldNote>> {
  const ids = of.filter(({ state }) => state === 'handled').map(({ id }) => id)
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('deliveries')
    .innerJoin('events', 'delivery_id', 'deliveries.id')
    .select(['delivery_id', 'seq', 'events.id as event', 'detail as note', 'actor as by', 'at'])
    .where('deliveries.id', 'in', ids)
    .where('kind', 'in', ['handled', ...HANDLED_AS])
    .whereRef('at', '=', 'settled_at')
    .execute()
  rows.sort((a, b) => a.seq - b.seq || (a.event < b.event ? -1 : 1)) // the last one counts
  return new Map(rows.map(({ delivery_id, note, by, at }) => [delivery_id, { note, by, at }]))
}
