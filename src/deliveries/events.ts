import type { Transaction } from 'kysely'
import { count } from './counters.ts'
import { inParts } from './parts.ts'
import type { Tables } from './schema.ts'
import type { DeliveryEvent, EventKind, Progress } from './types.ts'

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

/** What a write came to for one delivery. */
export interface Change {
  readonly id: string
  readonly progress: Progress
  /** Whose row it is now; null: nobody's, or nobody needs it any more. */
  readonly owner: string | null
  readonly happened: readonly Happened[]
}

/** Stores the events and counts them, in the transaction that makes them true. */
export async function insertEvents(
  { trx, at, newId }: Writing,
  happened: readonly Happened[],
): Promise<DeliveryEvent[]> {
  const events = happened.map((one) => ({ ...one, id: newId(), at, actor: null }))
  if (events.length === 0) return events
  const rows = events.map(({ deliveryId, ...event }) => ({ ...event, delivery_id: deliveryId }))
  for (const part of inParts(rows, ({ detail }) => detail.length)) {
    await trx.insertInto('events').values(part).execute()
  }
  await count({ trx, at, names: events.map((event) => event.kind) })
  return events
}

/** Whether the transaction that gave these events was committed: it stored all of them or none. */
export async function areStored(trx: Transaction<Tables>, events: readonly DeliveryEvent[]): Promise<boolean> {
  const [event] = events
  if (event === undefined) return false
  const row = await trx
    .selectFrom('events')
    .select('id')
    .where('delivery_id', '=', event.deliveryId)
    .where('id', '=', event.id)
    .executeTakeFirst()
  return row !== undefined
}
