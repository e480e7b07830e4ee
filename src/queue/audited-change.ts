import { inTransaction, type TransactionContext, type WriteContext } from '../database/transaction.ts'
import type { DeliveryEvent } from '../sale/types.ts'
import { areStored, type EventDraft, insertEvents } from './events.ts'

/** The result of a change, and the events that were stored with it. */
export interface AuditedResult<Result> {
  readonly result: Result
  readonly events: readonly DeliveryEvent[]
}

/**
 * Makes a change and stores its events in one transaction. The events in `listed` become entries of the audit; those in
 * `others` appear only in the timelines of their deliveries.
 */
export async function auditedChange<Result>(
  { database, now, newId, random, hasOutbox }: WriteContext,
  change: (
    context: TransactionContext,
  ) => Promise<{ result: Result; listed: readonly EventDraft[]; others?: readonly EventDraft[] }>,
): Promise<AuditedResult<Result>> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const writing = { trx, at: now(), newId, hasOutbox }
      const { result, listed, others = [] } = await change(writing)
      return { result, events: await insertEvents(writing, [...listed, ...others], listed.length) }
    },
    isStored: (trx, { events }) => areStored(trx, events),
  })
}
