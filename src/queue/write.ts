import type { DeliveryEvent, VerifiedWebhook } from '../sale/types.ts'
import { accept } from './accept.ts'
import { type Change, insertEvents, type TransactionContext } from './events.ts'
import { type SettleRequest, settle } from './settle.ts'

export type Write =
  | { readonly kind: 'accept'; readonly webhook: VerifiedWebhook }
  | ({ readonly kind: 'settle' } & SettleRequest)

export interface Written extends Pick<Change, 'id' | 'progress' | 'owner' | 'courseCount' | 'isRefundId'> {
  readonly events: readonly DeliveryEvent[]
}

/**
 * Stores verified webhooks and results of attempts, in a transaction of the caller. Results come first, so that a repeat
 * in the same group as the result of its row is processed again. Resolves to what was written, in the order of `writes`.
 */
export async function writeAll(context: TransactionContext, writes: readonly Write[]): Promise<Written[]> {
  const requests = writes.filter((write) => write.kind === 'settle')
  const webhooks = writes.flatMap((write) => (write.kind === 'accept' ? [write.webhook] : []))
  const settled = await settle(context, requests)
  const accepted = await accept(context, webhooks)
  const written = await storeEvents(context, [...settled, ...accepted])
  const results = { settle: written.splice(0, settled.length), accept: written }
  return writes.map(({ kind }) => {
    const result = results[kind].shift()
    if (result === undefined) throw new Error('a write gave no result')
    return result
  })
}

async function storeEvents(context: TransactionContext, changes: readonly Change[]): Promise<Written[]> {
  const allDrafts = changes.flatMap(({ drafts }) => drafts)
  const events = await insertEvents(context, allDrafts)
  return changes.map(({ drafts, ...change }) => ({ ...change, events: events.splice(0, drafts.length) }))
}
