import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryEvent, VerifiedWebhook } from '../delivery/types.ts'
import type { Replicas } from '../replicas/replicas.ts'
import { accept } from './accept.ts'
import { areStored, type Change, insertEvents, type TransactionContext } from './events.ts'
import { type SettleRequest, settle } from './settle.ts'

export type Write =
  | { readonly kind: 'accept'; readonly webhook: VerifiedWebhook }
  | ({ readonly kind: 'settle' } & SettleRequest)

export interface Written extends Pick<Change, 'id' | 'progress' | 'owner' | 'courseCount' | 'isRefundId'> {
  readonly events: readonly DeliveryEvent[]
}

interface Writer extends WriteContext {
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin'>
}

/**
 * Stores verified webhooks and results of attempts in one transaction. Results come first, so that a repeat in the same
 * group as the result of its row is processed again. Resolves to what was written, in the order of `writes`; if it
 * throws, nothing is stored. A replica that the others have pruned joins under another name before it writes.
 */
export async function writeGroup(writer: Writer, writes: readonly Write[]): Promise<Written[]> {
  const me = writer.replicas.me()
  const written = await writeAsMember(writer, writes)
  if (written !== null) return written
  await writer.replicas.rejoin(me)
  return writeGroup(writer, writes)
}

/** null: the others have pruned this replica, and nothing is stored. */
function writeAsMember(writer: Writer, writes: readonly Write[]): Promise<Written[] | null> {
  const { database, random, now, newId, hasOutbox, replicas } = writer
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const me = await replicas.beat(trx)
      return me === null ? null : writeAll({ trx, at: now(), me, newId, hasOutbox }, writes)
    },
    isStored: async (trx, written) =>
      areStored(
        trx,
        (written ?? []).flatMap(({ events }) => events),
      ),
  })
}

async function writeAll(context: TransactionContext, writes: readonly Write[]): Promise<Written[]> {
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
