import type { Transaction } from 'kysely'
import { inParts } from '../database/chunks.ts'
import type { Tables } from '../database/schema.ts'
import type { DeliveryEvent, EventKind, Progress } from '../delivery/types.ts'
import { count } from './counters.ts'
import { tookCounter } from './time-to-enrollment.ts'

export const MAX_ACTOR = 254

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
  /** Who did it, where somebody did: at most 254 characters of it are kept. */
  readonly actor?: string
  /** From received to the first success, ms. */
  readonly tookMs?: number
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
  { trx, at, newId }: Omit<Writing, 'me'>,
  happened: readonly Happened[],
): Promise<DeliveryEvent[]> {
  const events = happened.map((one) => ({ ...one, id: newId(), at, actor: one.actor?.slice(0, MAX_ACTOR) ?? null }))
  if (events.length === 0) return events
  const rows = events.map(({ deliveryId, tookMs, ...event }) => ({ ...event, delivery_id: deliveryId }))
  for (const part of inParts(rows, ({ detail }) => detail.length)) {
    await trx.insertInto('events').values(part).execute()
  }
  const waits = events.flatMap(({ tookMs }) => (tookMs === undefined ? [] : [tookCounter(tookMs)]))
  await count({ trx, at, names: [...events.map((event) => event.kind), ...waits] })
  return events
}

/** Lists events as the changes of an operator; see AuditRow. */
export async function insertAudit(
  { trx }: Pick<Writing, 'trx'>,
  events: readonly Pick<DeliveryEvent, 'id' | 'deliveryId'>[],
): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(({ id, deliveryId }) => ({ event_id: id, delivery_id: deliveryId }))
  await trx.insertInto('audit').values(rows).execute()
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
