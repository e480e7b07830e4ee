import type { AuditedResult } from '../../queue/audited-change.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { type Outbox, readOutbox } from '../../queue/outbox/list-events.ts'
import { type SentAgain, sendAgain, sendFailedAgain } from './send-again.ts'

/**
 * What operators can see and do about the events for the shop, for the console and the command line. `by` names the
 * operator. Every function throws AppError database.unreachable while the database is unavailable.
 */
export interface ShopEvents {
  /** See readOutbox. */
  read(): Promise<Outbox>
  /** See sendAgain in send-again.ts. */
  sendAgain(order: { id: string; by: string }): Promise<SentAgain>
  /** See sendFailedAgain in send-again.ts. */
  sendFailedAgain(order: { by: string }): Promise<{ readonly events: number }>
}

/** `publish` is called with each event after it is stored. */
export function createShopEvents({
  context,
  guard,
  publish,
}: Pick<AppContext, 'context' | 'guard' | 'publish'>): ShopEvents {
  const { db } = context.database
  const change = async <Result>(work: () => Promise<AuditedResult<Result>>): Promise<Result> => {
    const { result, events } = await guard(work)
    for (const event of events) publish(event)
    return result
  }
  return {
    read: () => guard(() => readOutbox(db)),
    sendAgain: (order) => change(() => sendAgain(context, order)),
    sendFailedAgain: (order) => change(() => sendFailedAgain(context, order)),
  }
}
