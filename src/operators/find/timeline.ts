import type { Kysely } from 'kysely'
import type { EventRow, Tables } from '../../database/schema.ts'
import { readCalls } from '../../sale/calls.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import type { Page } from './listing.ts'

const EVENTS_MAX = 500
const PAGE = 50
const PAGE_MAX = 500

/** Returns the last 500 events of a delivery in the order of their numbers, which no clock decides. */
export async function timeline({ db, id }: { db: Kysely<Tables>; id: string }): Promise<DeliveryEvent[]> {
  const rows = await db
    .selectFrom('events')
    .select(['id', 'seq', 'delivery_id', 'at', 'kind', 'detail', 'actor', 'calls'])
    .where('delivery_id', '=', id)
    .orderBy('id', 'desc')
    .limit(EVENTS_MAX)
    .execute()
  return rows.sort((a, b) => a.seq - b.seq || (a.id < b.id ? -1 : 1)).map(({ seq: _seq, ...row }) => eventOf(row))
}

/** Returns the changes by operators, newest first; see Operations.audit. The cursor is the id of the last entry. */
export async function audit({
  db,
  limit = PAGE,
  after = null,
}: {
  db: Kysely<Tables>
  limit?: number
  after?: string | null
}): Promise<Page<DeliveryEvent>> {
  const most = Math.min(Math.max(1, limit), PAGE_MAX)
  // With a left join, both kinds of databases walk along the audit and look up each event. Retention may have deleted
  // an event with its delivery.
  let query = db
    .selectFrom('audit')
    .leftJoin('events', (join) =>
      join.onRef('events.delivery_id', '=', 'audit.delivery_id').onRef('events.id', '=', 'audit.event_id'),
    )
    .select([
      'audit.event_id',
      'audit.delivery_id',
      'events.at',
      'events.kind',
      'events.detail',
      'events.actor',
      'events.calls',
    ])
  if (after !== null) query = query.where('audit.event_id', '<', after)
  const rows = await query
    .orderBy('audit.event_id', 'desc')
    .limit(most + 1)
    .execute()
  const listed = rows.slice(0, most)
  return {
    items: listed.flatMap(({ event_id, delivery_id, at, kind, detail, actor, calls }) =>
      at === null || kind === null || detail === null
        ? []
        : [eventOf({ id: event_id, delivery_id, at, kind, detail, actor, calls })],
    ),
    next: rows.length > most ? (listed.at(-1)?.event_id ?? null) : null,
  }
}

function eventOf({ delivery_id, calls, ...row }: Omit<EventRow, 'answer' | 'seq'>): DeliveryEvent {
  const read = readCalls(calls)
  return { ...row, deliveryId: delivery_id, ...(read.length === 0 ? {} : { calls: read }) }
}
