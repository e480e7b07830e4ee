import { createHash } from 'node:crypto'
import type { DeliveryRow } from '../database/schema.ts'
import type { TransactionContext } from '../database/transaction.ts'
import { REPLACED } from '../sale/delivery-sentence.ts'
import { correctedSale } from '../sale/payload/operator-sale.ts'
import type { VerifiedWebhook } from '../sale/types.ts'
import { accept } from './accept.ts'
import type { EventDraft } from './events.ts'

/** Stores a sale that takes the place of a delivery, for any replica to attempt, and links both deliveries. */
export async function storeReplacement(
  writing: TransactionContext,
  { id, webhook }: { id: string; webhook: VerifiedWebhook },
): Promise<{ id: string; drafts: readonly EventDraft[] }> {
  const [change] = await accept({ ...writing, home: '' }, [webhook])
  if (change === undefined) throw new Error('the corrected sale was not stored')
  const { trx } = writing
  // If the replacement was replaced itself, by a correction that is now taken back, it stands again.
  await trx.updateTable('deliveries').set({ replaces: id, replaced_by: null }).where('id', '=', change.id).execute()
  await trx.updateTable('deliveries').set({ replaced_by: change.id }).where('id', '=', id).execute()
  return { id: change.id, drafts: change.drafts }
}

/**
 * Stores another delivery for the courses that a refund or a withdrawal leaves of one that it has stopped, and links
 * both. If an attempt of the stopped delivery may have had an effect, the other one reads before it enrolls, so that
 * nobody who was unenrolled since comes back. Whom the courses were given to, and what the shop was told of the buyer in
 * them, is known of the other one, too. Returns the events to store.
 */
export async function closeByRest(
  writing: TransactionContext,
  { row, rest, by }: { row: DeliveryRow; rest: readonly string[]; by: string },
): Promise<EventDraft[]> {
  const { id, body, state, source } = row
  const sale = correctedSale({ body, courseIds: rest, source: source === 'test' ? source : 'rest' })
  if ('errors' in sale) throw new Error(`the rest of delivery ${id} breaks the payload rules`)
  // The shop may sell just these courses, too: that is another sale, which a refund of this one doesn't concern.
  const digest = createHash('sha256').update(`${sale.webhook.digest} ${id}`).digest('hex')
  const replacement = await storeReplacement(writing, { id, webhook: { ...sale.webhook, digest } })
  if (state !== 'queued' || row.effect_unknown !== 0) {
    const update = writing.trx.updateTable('deliveries').set({ effect_unknown: 1 })
    await update.where('id', '=', replacement.id).execute()
  }
  const { accounts, user_id, achievements } = row
  const known = writing.trx.updateTable('deliveries').set({ accounts, user_id, achievements })
  await known.where('id', '=', replacement.id).where('accounts', 'is', null).execute()
  return [
    ...replacement.drafts,
    { deliveryId: id, kind: 'corrected', detail: `${REPLACED}${replacement.id} for ${rest.join(', ')}`, actor: by },
    { deliveryId: replacement.id, kind: 'corrected', detail: `replaces ${id}`, actor: by },
  ]
}
