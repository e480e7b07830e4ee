import type { HandledAs } from '../sale/types.ts'
import { changedSince, lockDelivery, NOTE_MAX, type Outdated, type Seen, setHandled } from './change-deliveries.ts'
import { auditedChange, type WriteContext } from './events.ts'
import { readDeliveries } from './lines.ts'
import { orderAgain } from './withdrawals/keepers.ts'

/** `already`: an operator has handled it so before. */
type Handled = { readonly kind: 'handled' | 'already' | 'unknown' } | Outdated

/**
 * See Operations.markHandled. A sale that was paid back keeps no course any more that a refund of another sale has left to it.
 * The choice can be changed until a correction has taken the place of the sale.
 */
export async function markHandled(
  context: WriteContext,
  { id, as, note, by, seen }: Seen & { id: string; as: HandledAs; note: string; by: string },
): Promise<Handled> {
  return auditedChange<Handled>(context, async (writing) => {
    await lockDelivery(writing, id)
    const change = await changedSince(writing, { id, seen, by, as })
    if (change !== null) return { result: { kind: 'outdated', change }, listed: [] }
    const kind = await setHandled(writing, { id, as })
    if (kind === 'handled' && as === 'paid_back') await orderAgain(writing, await readDeliveries(writing.trx, [id]))
    const event = { deliveryId: id, kind: as, detail: note.slice(0, NOTE_MAX), actor: by }
    return { result: { kind }, listed: kind === 'handled' ? [event] : [] }
  })
}
