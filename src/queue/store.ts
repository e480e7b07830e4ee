import type { Availability } from '../database/availability.ts'
import { inTransaction, type TransactionContext, type WriteContext } from '../database/transaction.ts'
import type { DeliveryEvent, VerifiedWebhook } from '../sale/types.ts'
import { accept } from './accept.ts'
import { type Attempt, beginAttempt, releaseStopped, stillOurs } from './attempt.ts'
import { claimAll, createClaimOrphans } from './claim-orphans.ts'
import type { Claimed } from './claimed.ts'
import { type DueQuery, dueRows, lastActivityAt, progressOf, readClaimed } from './due.ts'
import { areStored, type Change, insertEvents } from './events.ts'
import type { Replicas } from './replicas/replicas.ts'
import { TIMING } from './replicas/timing.ts'
import { type SettleRequest, settle } from './settle.ts'
import { readWithdrawn } from './withdrawal-row.ts'

export type Write =
  | { readonly kind: 'accept'; readonly webhook: VerifiedWebhook }
  | ({ readonly kind: 'settle' } & SettleRequest)

export interface Written extends Pick<Change, 'id' | 'progress' | 'owner' | 'courseCount' | 'isRefundId'> {
  readonly events: readonly DeliveryEvent[]
}

interface StoreParts extends WriteContext {
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin' | 'liveCount'>
  /** Fails at once while the database is known to be unavailable. By default, every call asks the database. */
  readonly guard?: Availability['guard']
  /** See Timing. */
  readonly landsMs?: number
}

/**
 * The statements of the queue, with the same text for SQLite and MySQL. This replica attempts and settles only the rows
 * that it owns.
 */
export type Store = ReturnType<typeof createStore>

/** See Store. */
export function createStore({ replicas, guard = (work) => work(), landsMs = TIMING.landsMs, ...context }: StoreParts) {
  const { database, now, random } = context
  const { db } = database
  const { me } = replicas
  const claimOrphans = createClaimOrphans({ database, replicas, now, random })
  return {
    /** This replica's name. */
    me,
    /**
     * Stores verified webhooks and results of attempts in one transaction. Resolves to what was written, in the order of
     * `writes`; if it throws, nothing is stored. A replica that the others have pruned joins under another name before it
     * writes.
     */
    write: (writes: readonly Write[]) => guard(() => write({ ...context, replicas }, writes)),
    /** Due rows of this replica, oldest first. */
    due: (query: DueQuery) => guard(() => dueRows({ db, owner: me(), now: now(), ...query })),
    /** The full rows, in the order of `ids`, without those that are no longer ours or due. See readClaimed. */
    readClaimed: (ids: readonly string[]) => guard(() => readClaimed({ ...context, me: me(), ids })),
    /**
     * Records that attempts begin, before their first call to the LMS: from then on their effect is unknown until they are
     * settled. Resolves to the deliveries whose attempt may begin: still ours, still waiting, and not sent again since
     * they were read.
     */
    beginAttempt: (attempts: readonly Attempt[]) => guard(() => begin({ ...context, replicas }, attempts)),
    /** Releases the deliveries that an operator has stopped, except those with a call in flight. */
    releaseStopped: (claimed: Pick<Claimed, 'has' | 'inCall'>) =>
      guard(() => releaseStopped({ db, me: me(), claimed, landsUntil: now() + landsMs })),
    /** Which of these rows are still ours and still wait. An operator may have handled or erased one. */
    stillOurs: (ids: readonly string[]) => guard(() => stillOurs({ db, me: me(), ids })),
    progress: (ids: readonly string[]) => guard(() => progressOf({ db, ids })),
    /** See readWithdrawn. */
    withdrawn: (ids: readonly string[]) => guard(() => readWithdrawn(db, ids)),
    /** Claims up to `limit` due rows of no replica. See createClaimOrphans. */
    claimOrphans: (limit: number) => guard(() => claimOrphans(limit)),
    lastActivityAt: () => guard(() => lastActivityAt(db)),
    /** Claims what a dead process left. Call it only while no other replica can serve this database. */
    claimAll: () => claimAll({ db, me: me(), now: now(), landsMs }),
  }
}

interface Writing extends WriteContext {
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin'>
}

async function begin(
  { replicas, database, random }: Writing,
  attempts: readonly Attempt[],
): Promise<ReadonlySet<string>> {
  return inTransaction<ReadonlySet<string>>({
    database,
    random,
    body: async (trx) => {
      const me = await replicas.beat(trx)
      return me === null ? new Set() : beginAttempt({ trx, me, attempts })
    },
  })
}

async function write(writing: Writing, writes: readonly Write[]): Promise<Written[]> {
  const { replicas, database, now, newId, random, hasOutbox } = writing
  const name = replicas.me()
  const written = await inTransaction<Written[] | null>({
    database,
    random,
    body: async (trx) => {
      const me = await replicas.beat(trx)
      return me === null ? null : writeAll({ trx, at: now(), newId, hasOutbox }, { me, writes })
    },
    isStored: (trx, before) =>
      areStored(
        trx,
        (before ?? []).flatMap(({ events }) => events),
      ),
  })
  if (written !== null) return written
  await replicas.rejoin(name)
  return write(writing, writes)
}

/**
 * Stores verified webhooks and results of attempts, in a transaction of the caller. Results come first, so that a repeat
 * in the same group as the result of its row is processed again. Resolves to what was written, in the order of `writes`.
 */
async function writeAll(
  context: TransactionContext,
  { me, writes }: { me: string; writes: readonly Write[] },
): Promise<Written[]> {
  const requests = writes.filter((write) => write.kind === 'settle')
  const webhooks = writes.flatMap((write) => (write.kind === 'accept' ? [write.webhook] : []))
  const settled = await settle(context, requests)
  const accepted = await accept({ ...context, me }, webhooks)
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
