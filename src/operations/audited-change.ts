import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import { areStored, type EventDraft, insertAudit, insertEvents, type TransactionContext } from '../inbox/events.ts'

/** What a change is written with: the transaction, its time (ms since 1970) and a source of ids. */
export type AuditedContext = Omit<TransactionContext, 'me'>

/** What a change came to, and the events that were stored with it. */
export interface Done<Result> {
  readonly result: Result
  readonly events: readonly DeliveryEvent[]
}

/**
 * Makes a change in one transaction together with its events. `listed`: they are entries of the audit; the others are
 * in their deliveries' timelines only.
 */
export async function audited<Result>(
  { database, now, newId, random }: WriteContext,
  change: (
    audited: AuditedContext,
  ) => Promise<{ result: Result; listed: readonly EventDraft[]; others?: readonly EventDraft[] }>,
): Promise<Done<Result>> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const writing = { trx, at: now(), newId }
      const { result, listed, others = [] } = await change(writing)
      const events = await insertEvents(writing, [...listed, ...others])
      await insertAudit(writing, events.slice(0, listed.length))
      return { result, events }
    },
    isStored: (trx, { events }) => areStored(trx, events),
  })
}
