import type { Availability } from '../database/availability.ts'
import type { Trx } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import type { DeliveryEvent, VerifiedWebhook } from '../sale/types.ts'
import { acceptAnnounced, announce } from './accept.ts'
import { type AnnouncedCall, type Attempt, markBegun, mayContinue, storeNamed } from './attempt.ts'
import { type DueQuery, dueRows, progressOf, readClaimed } from './due.ts'
import { areStored, type Change, insertEvents, type TransactionContext, type WriteContext } from './events.ts'
import type { Replicas } from './replicas/replicas.ts'
import { type SettleRequest, settle } from './settle.ts'
import { readWithdrawn } from './withdrawals/withdrawal.ts'

export type Write =
  | { readonly kind: 'accept'; readonly webhook: VerifiedWebhook }
  | ({ readonly kind: 'settle' } & SettleRequest)

export interface Written extends Omit<Change, 'drafts'> {
  readonly events: readonly DeliveryEvent[]
}

interface StoreParts extends WriteContext {
  readonly replicas: Pick<Replicas, 'me' | 'live' | 'holds'>
  /** Fails at once while the database is known to be unavailable. By default, every call asks the database. */
  readonly guard?: Availability['guard']
}

/** The statements of the queue, with the same text for SQLite and MySQL. */
export type Store = ReturnType<typeof createStore>

/** See Store. */
export function createStore({ replicas, guard = (work) => work(), ...context }: StoreParts) {
  const { database, now } = context
  const { db } = database
  const { me, live, holds } = replicas
  return {
    /** This replica's name, and those of all that are alive. */
    me,
    live,
    /**
     * Stores verified webhooks and results of attempts in one transaction. Resolves to what was written, in the order of
     * `writes`; if it throws, nothing is stored.
     */
    write: (writes: readonly Write[]) => guard(() => write({ ...context, replicas }, writes)),
    /** See dueRows. */
    due: (query: DueQuery) => guard(() => dueRows({ db, now: now(), ...query })),
    /** See readClaimed. */
    readClaimed: (ids: readonly string[]) => guard(() => readClaimed({ ...context, ids })),
    /**
     * Takes the holds of the buyers, and records that attempts begin, before their first call to the LMS: from then on their
     * effect is unknown until they are settled. Resolves to the ids of those that may begin: see markBegun.
     */
    beginAttempt: (attempts: readonly Attempt[], { calls = true } = {}) =>
      guard(() => begin(holds, { attempts, calls })),
    /** See Inbox. */
    mayContinue: (ids: readonly string[], { undoes = false, names = [] }: AnnouncedCall = {}) =>
      guard(async () => {
        const going = await mayContinue(db, { replica: me(), ids })
        const people = [...going.values()]
        const named = names.filter(({ id }) => going.has(id))
        if (people.length > 0 && (undoes || named.length > 0)) {
          const announce = async (trx: Trx): Promise<void> => {
            if (undoes) await holds.mayUndo(trx, people)
            await storeNamed(trx, named)
          }
          await inTransaction({ database, random: context.random, body: announce })
        }
        return new Set(going.keys())
      }),
    /** See Inbox. */
    mayLand: (person: string) => guard(() => holds.mayLand(person)),
    progress: (ids: readonly string[]) => guard(() => progressOf({ db, ids })),
    /** See readWithdrawn. */
    withdrawn: (ids: readonly string[]) => guard(() => readWithdrawn(db, ids)),
  }
}

function begin(
  holds: Replicas['holds'],
  of: { attempts: readonly Attempt[]; calls: boolean },
): Promise<ReadonlySet<string>> {
  const people = of.attempts.map(({ person }) => person)
  const mark = async (trx: Trx, held: ReadonlySet<string>) => {
    const begun = await markBegun(trx, { ...of, held })
    const kept = of.attempts.filter(({ id }) => begun.has(id)).map(({ person }) => person)
    return { result: begun, kept: new Set(kept) }
  }
  return holds.take(people, mark, { enrolls: true })
}

async function write(
  { replicas: { holds }, database, now, newId, random, hasOutbox }: StoreParts,
  writes: readonly Write[],
): Promise<Written[]> {
  const written = await inTransaction<Written[]>({
    database,
    random,
    body: async (trx) => writeAll({ trx, at: now(), newId, hasOutbox, holds }, writes),
    isStored: (trx, before) =>
      areStored(
        trx,
        before.flatMap(({ events }) => events),
      ),
  })
  holds.ended(writes.flatMap((write) => (write.kind === 'settle' ? [write.person] : [])))
  return written
}

/**
 * Stores verified webhooks and results of attempts, in a transaction of the caller. Results come first, so that a repeat
 * in the same group as the result of its row is processed again; only webhook-ids come before them. Resolves to what was
 * written, in the order of `writes`.
 */
async function writeAll(
  context: TransactionContext & { readonly holds: Replicas['holds'] },
  writes: readonly Write[],
): Promise<Written[]> {
  const requests = writes.filter((write) => write.kind === 'settle')
  const webhooks = writes.flatMap((write) => (write.kind === 'accept' ? [write.webhook] : []))
  const arrivals = await announce(context, webhooks)
  const settled = await settle(context, requests)
  const accepted = await acceptAnnounced(context, arrivals)
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
