import type { Transaction } from 'kysely'
import { count } from './counters.ts'
import type { Tables } from './schema.ts'
import type { DeliveryEvent, EventKind } from './types.ts'

/** What the statements of one transaction share: the transaction, its time (ms), this replica, and a source of ids. */
export interface Writing {
  readonly trx: Transaction<Tables>
  readonly at: number
  readonly me: string
  readonly newId: () => string
}

export interface Happened {
  readonly deliveryId: string
  readonly kind: EventKind
  readonly detail: string
}

/** Stores the events and counts them, in the transaction that makes them true. */
export async function insertEvents(
  { trx, at, newId }: Writing,
  happened: readonly Happened[],
): Promise<DeliveryEvent[]> {
  const events = happened.map((one) => ({ ...one, id: newId(), at, actor: null }))
  if (events.length === 0) return events
  await trx
    .insertInto('events')
    .values(events.map(({ deliveryId, ...event }) => ({ ...event, delivery_id: deliveryId })))
    .execute()
  await count({ trx, at, names: events.map((event) => event.kind) })
  return events
}
