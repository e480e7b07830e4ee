import type { Database } from '../database/dialect.ts'
import type { Db, Trx } from '../database/schema.ts'
import { insertRows, inTransaction } from '../database/transaction.ts'
import { type CallNote, type DeliveryEvent, type EventKind, type Progress, writeCalls } from '../sale/types.ts'
import { insertShopEvents } from './outbox/outbox.ts'

/** What every write to the database needs. */
export interface WriteContext {
  readonly database: Pick<Database, 'db' | 'reports' | 'dialect'>
  /** ms since 1970 */
  readonly now: () => number
  /** See createIds. */
  readonly newId: () => string
  /** From 0 to 1, as Math.random gives it. */
  readonly random: () => number
  /** Whether the shop gets events: each change then stores those that it causes, in its own transaction. */
  readonly hasOutbox: boolean
  /** Called with each event after it is stored. */
  readonly publish: (event: DeliveryEvent) => void
}

/** The same within an open transaction. All that it writes has the time `at`, ms since 1970. */
export interface TransactionContext extends Pick<WriteContext, 'newId' | 'hasOutbox'> {
  readonly trx: Trx
  readonly at: number
}

export const MAX_ACTOR = 254

/** An event before it is stored. */
export interface EventDraft {
  readonly deliveryId: string
  readonly kind: EventKind
  readonly detail: string
  /** The courses of a refund that ended early: no line tells of it any more. */
  readonly refundFailed?: readonly string[]
  /** The operator, if one caused the event. It is cut to 254 characters. */
  readonly actor?: string
  readonly calls?: readonly CallNote[]
  /** From received to the first success, ms. */
  readonly timeToEnrollmentMs?: number
  /** From received to the enrollment of a buyer who was pre-enrolled, ms. */
  readonly timeToClaimMs?: number
}

/** The result of a write for one delivery. */
export interface Change {
  readonly id: string
  readonly progress: Progress
  readonly drafts: readonly EventDraft[]
  /** The webhook came under the webhook-id of a refund, or of another sale, whose id is `id`. It was not stored. */
  readonly misusedId?: 'refund_id' | 'sale_reused'
}

/**
 * Stores events, in the transaction of the changes that they record, and after these changes. Those that
 * concern the shop are stored in the outbox too, if there is one. Of a delivery that was erased meanwhile, none is stored:
 * nothing would ever delete it.
 * @param audited how many of the first ones are entries of the audit
 */
export async function insertEvents(
  { trx, at, newId, hasOutbox }: TransactionContext,
  drafts: readonly EventDraft[],
  audited = 0,
): Promise<DeliveryEvent[]> {
  const events = drafts.map((draft) => ({ ...draft, id: newId(), at, actor: draft.actor?.slice(0, MAX_ACTOR) ?? null }))
  if (events.length === 0) return events
  const places = await nextPlaces(
    trx,
    events.map(({ deliveryId }) => deliveryId),
  )
  const numbered = events.map((event, index) => ({
    ...event,
    delivery_id: event.deliveryId,
    seq: places[index]?.number ?? 0,
    audited: index < audited ? 1 : null,
  }))
  const kept = numbered.filter(({ delivery_id, seq }) => delivery_id === '' || seq > 0)
  const rows = kept.map(({ deliveryId, timeToEnrollmentMs, timeToClaimMs, refundFailed, calls = [], ...row }) => ({
    ...row,
    calls: writeCalls(calls),
  }))
  await insertRows({ trx, into: 'events', rows })
  if (hasOutbox) await insertShopEvents({ trx, at }, kept)
  return events.map((event, index) => (places[index]?.isTest ? { ...event, isTest: true } : event))
}

/**
 * Makes a change and stores its events in one transaction, then publishes them. The events in `listed` become entries of the
 * audit; those in `others` appear only in the timelines of their deliveries. Resolves to the result of the change.
 */
export async function auditedChange<Result>(
  { database, now, newId, random, hasOutbox, publish }: WriteContext,
  change: (
    context: TransactionContext,
  ) => Promise<{ result: Result; listed: readonly EventDraft[]; others?: readonly EventDraft[] }>,
): Promise<Result> {
  const stored = await inTransaction({
    database,
    random,
    body: async (trx) => {
      const writing = { trx, at: now(), newId, hasOutbox }
      const { result, listed, others = [] } = await change(writing)
      return { result, events: await insertEvents(writing, [...listed, ...others], listed.length) }
    },
    isStored: (trx, { events }) => areStored(trx, events),
  })
  for (const event of stored.events) publish(event)
  return stored.result
}

/** Whether the transaction that inserted these events was committed: it stored all of them or none. */
export async function areStored(trx: Trx, events: readonly DeliveryEvent[]): Promise<boolean> {
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

/**
 * Gives the next numbers of the deliveries in `ids`, in this order; 0 for one that doesn't exist. Each delivery counts its
 * events in its row, which stays locked until the end of the transaction. So a higher number was committed later, whatever
 * the clocks said. Tells of each, too, whether it is a test sale.
 */
export async function nextPlaces(
  trx: Db,
  ids: readonly string[],
): Promise<{ readonly number: number; readonly isTest: boolean }[]> {
  const counts = new Map([...Map.groupBy(ids, (id) => id)].map(([id, { length }]) => [id, length]))
  counts.delete('') // events of no delivery
  if (counts.size === 0) return ids.map(() => ({ number: 0, isTest: false }))
  const sorted = [...counts.keys()].sort() // unsorted, two replicas deadlock on MySQL
  for (const [count, group] of Map.groupBy(sorted, (id) => counts.get(id) ?? 0)) {
    await trx
      .updateTable('deliveries')
      .set((eb) => ({ last_event: eb('last_event', '+', count) }))
      .where('id', 'in', group)
      .execute()
  }
  const query = trx.selectFrom('deliveries').select(['id', 'last_event', 'source']).where('id', 'in', sorted)
  const rows = await query.execute()
  const last = new Map(rows.map(({ id, last_event }) => [id, last_event - (counts.get(id) ?? 0)]))
  const tests = new Set(rows.flatMap(({ id, source }) => (source === 'test' ? id : [])))
  return ids.map((id) => {
    const before = last.get(id)
    if (before !== undefined) last.set(id, before + 1)
    return { number: last.get(id) ?? 0, isTest: tests.has(id) }
  })
}
