import type { Kysely } from 'kysely'
import type { EventRow, Tables } from '../../database/schema.ts'
import { readAnswer, type ShopAnswer } from '../../queue/shop-answers.ts'
import { readCalls } from '../../sale/calls.ts'
import type { Told, ToldNote } from '../../sale/delivery-sentence.ts'
import type { Delivery, DeliveryEvent } from '../../sale/types.ts'
import type { Page } from './filter.ts'

const EVENTS_MAX = 500
const PAGE = 50

/** An event with what the shop was answered, if it records a request of the shop: see ShopAnswer. */
export interface TimelineEvent extends DeliveryEvent {
  readonly answer?: ShopAnswer
}

/** Returns the last 500 events of a delivery in the order of their numbers, which no clock decides. */
export async function timeline(db: Kysely<Tables>, id: string): Promise<TimelineEvent[]> {
  const rows = await db
    .selectFrom('events')
    .select(['id', 'seq', 'delivery_id', 'at', 'kind', 'detail', 'actor', 'calls', 'answer'])
    .where('delivery_id', '=', id)
    .orderBy('id', 'desc')
    .limit(EVENTS_MAX)
    .execute()
  return rows
    .sort((a, b) => a.seq - b.seq || (a.id < b.id ? -1 : 1))
    .map(({ seq: _seq, answer, ...row }) => {
      const given = readAnswer(answer)
      return { ...eventOf(row), ...(given === null ? {} : { answer: given }) }
    })
}

/**
 * Returns the changes by operators, newest first. A bulk replay is one entry, and a check is none. Events of no delivery
 * have '' as deliveryId. `after`: the `next` of the previous page, which is the id of its last entry.
 */
export async function audit(
  db: Kysely<Tables>,
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

/** An event that records a note, oldest first among those of its delivery. */
type Noted = Pick<DeliveryEvent, 'at' | 'detail' | 'actor'>

/** Makes what the sentence is made of from a delivery and its timeline (oldest first). */
export function toldOf(
  delivery: Pick<Delivery, 'state' | 'reason' | 'lines' | 'enrolledAt' | 'settledAt' | 'replacedBy'>,
  events: readonly DeliveryEvent[],
): Told {
  return { ...delivery, handled: noteOf({ ...delivery, notes: events.filter(({ kind }) => kind === 'handled') }) }
}

/**
 * The note that made a delivery handled; null if it isn't, or became so without one. One that was handled, replayed and
 * stopped since has a note of an earlier state.
 */
export function noteOf(of: Pick<Delivery, 'state' | 'settledAt'> & { notes: readonly Noted[] }): ToldNote | null {
  if (of.state !== 'handled') return null
  const noted = of.notes.findLast(({ at }) => at === of.settledAt)
  return noted === undefined ? null : { note: noted.detail, by: noted.actor, at: noted.at }
}

/** Reads the notes of each of these deliveries, for noteOf. */
export async function readNotes(db: Kysely<Tables>, ids: readonly string[]): Promise<ReadonlyMap<string, Noted[]>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('events')
    .select(['id', 'seq', 'at', 'delivery_id', 'detail', 'actor'])
    .where('delivery_id', 'in', ids)
    .where('kind', '=', 'handled')
    .execute()
  rows.sort((a, b) => a.seq - b.seq || (a.id < b.id ? -1 : 1))
  return Map.groupBy(rows, ({ delivery_id }) => delivery_id)
}
