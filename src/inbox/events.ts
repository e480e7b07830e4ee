import type { Transaction } from 'kysely'
import { inChunks } from '../database/chunks.ts'
import type { Tables } from '../database/schema.ts'
import type { DeliveryEvent, EventKind, Progress } from '../delivery/types.ts'
import { count } from './counters.ts'
import { timeToEnrollmentCounter } from './time-to-enrollment.ts'

export const MAX_ACTOR = 254

/** What the statements of one transaction share: the transaction, its time (ms), this replica, and a source of ids. */
export interface TransactionContext {
  readonly trx: Transaction<Tables>
  readonly at: number
  readonly me: string
  readonly newId: () => string
}

export interface EventDraft {
  readonly deliveryId: string
  readonly kind: EventKind
  readonly detail: string
  /** Who did it, where somebody did: at most 254 characters of it are kept. */
  readonly actor?: string
  /** From received to the first success, ms. */
  readonly timeToEnrollmentMs?: number
}

/** What a write came to for one delivery. */
export interface Change {
  readonly id: string
  readonly progress: Progress
  /** Whose row it is now; null: nobody's, or nobody needs it any more. */
  readonly owner: string | null
  readonly happened: readonly EventDraft[]
}

/** Stores the events and counts them, in the transaction that makes them true. */
export async function insertEvents(
  { trx, at, newId }: Omit<TransactionContext, 'me'>,
  happened: readonly EventDraft[],
): Promise<DeliveryEvent[]> {
  const events = happened.map((one) => ({ ...one, id: newId(), at, actor: one.actor?.slice(0, MAX_ACTOR) ?? null }))
  if (events.length === 0) return events
  const rows = events.map(({ deliveryId, timeToEnrollmentMs, ...event }) => ({ ...event, delivery_id: deliveryId }))
  for (const part of inChunks(rows, ({ detail }) => detail.length)) {
    await trx.insertInto('events').values(part).execute()
  }
  const waits = events.flatMap(({ timeToEnrollmentMs }) =>
    timeToEnrollmentMs === undefined ? [] : [timeToEnrollmentCounter(timeToEnrollmentMs)],
  )
  await count({ trx, at, names: [...events.map((event) => event.kind), ...waits] })
  return events
}

/** Lists events as the changes of an operator; see AuditRow. */
export async function insertAudit(
  { trx }: Pick<TransactionContext, 'trx'>,
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
