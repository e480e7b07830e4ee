import type { openInbox } from '../queue/open-inbox.ts'
import { storeRefund } from '../queue/withdrawals/store-refund.ts'
import type { RefundOf } from '../shop/refund/route.ts'
import { AppError } from './lib/errors.ts'
import type { WakeUp } from './lib/wake-up.ts'
import type { Observer } from './telemetry/observer.ts'

/**
 * Stores a refund, and waits for its withdrawals until they have ended or the deadline is over. Throws AppError
 * database.unreachable if nothing was stored.
 * @param from.wakeUp wakes the loop that carries out withdrawals
 */
export function createRefundOf({
  opened: { context, availability, inbox },
  observer,
  wakeUp,
}: {
  opened: Pick<ReturnType<typeof openInbox>, 'context' | 'availability' | 'inbox'>
  observer: Observer
  wakeUp: WakeUp
}): RefundOf {
  const { guard } = availability
  return async (refund, deadline) => {
    const { result, events } = await guard(() => storeRefund(context, refund)).catch(notStored)
    for (const event of events) observer.onEvent(event)
    if (result.kind !== 'accepted') return result
    wakeUp.wake()
    inbox.claimOrphansSoon() // for the courses that the refund leaves of a delivery
    const ordered = events.filter(({ kind }) => kind === 'withdrawal_requested')
    return { ...result, events: ordered, withdrawn: await inbox.withdrawn({ ids: result.orders, deadline }) }
  }
}

const notStored = (cause: unknown): never => {
  throw new AppError('database.unreachable', 'A refund could not be stored; it was not accepted.', { cause })
}
