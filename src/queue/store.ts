import type { Availability } from '../database/availability.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { Delivery, DeliveryEvent, Progress } from '../sale/types.ts'
import { type Attempt, releaseStopped, stillOurs } from './attempt.ts'
import { claimAll, createClaimOrphans } from './claim-orphans.ts'
import type { Claimed } from './claimed.ts'
import { bringForward } from './clock-rollback.ts'
import { type DueQuery, type DueRow, dueRows, lastActivityAt, progressOf } from './due.ts'
import { readClaimed } from './read-claimed.ts'
import type { Replicas } from './replicas/replicas.ts'
import { TIMING } from './replicas/timing.ts'
import { idsFor, type RunInboxTask, runInboxTasks } from './transactions.ts'
import { readWithdrawn } from './withdrawal-row.ts'
import type { Write, Written } from './write.ts'

/**
 * The statements of the queue, with the same text for SQLite and MySQL. This replica attempts and settles only the rows
 * that it owns.
 */
export interface Store {
  /** This replica's name. */
  me(): string
  /**
   * Stores verified webhooks and results of attempts in one transaction. Resolves to what was written, in the order of
   * `writes`; if it throws, nothing is stored. A replica that the others have pruned joins under another name before it
   * writes.
   */
  write(writes: readonly Write[]): Promise<Written[]>
  /** Due rows of this replica, oldest first. */
  due(query: DueQuery): Promise<DueRow[]>
  /** The full rows, in the order of `ids`, without those that are no longer ours or due. See readClaimed. */
  readClaimed(ids: readonly string[]): Promise<{ deliveries: Delivery[]; events: DeliveryEvent[] }>
  /**
   * Records that attempts begin, before their first call to the LMS: from then on their effect is unknown until they are
   * settled. Resolves to the deliveries whose attempt may begin: still ours, still waiting, and not sent again since
   * they were read.
   */
  beginAttempt(attempts: readonly Attempt[]): Promise<ReadonlySet<string>>
  /** Releases the deliveries that an operator has stopped, except those with a call in flight. */
  releaseStopped(claimed: Pick<Claimed, 'has' | 'inCall'>): Promise<void>
  /** Which of these rows are still ours and still wait. An operator may have handled or erased one. */
  stillOurs(ids: readonly string[]): Promise<Set<string>>
  progress(ids: readonly string[]): Promise<{ id: string; progress: Progress }[]>
  /** See readWithdrawn. */
  withdrawn(ids: readonly string[]): ReturnType<typeof readWithdrawn>
  /** Claims up to `limit` due rows of no replica. See createClaimOrphans. */
  claimOrphans(limit: number): Promise<void>
  /** After the clock was set back by `ms`: see bringForward in clock-rollback.ts. */
  bringForward(ms: number): Promise<void>
  lastActivityAt(): Promise<number | null>
  /** Claims what a dead process left. Call it only while no other replica can serve this database. */
  claimAll(): Promise<number>
}

interface StoreParts extends WriteContext {
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin' | 'liveCount'>
  /** No attempt is scheduled further ahead than this, ms. */
  readonly longestWaitMs: number
  /** Runs the transactions of a webhook; by default here. */
  readonly runTask?: RunInboxTask
  /** See Timing. */
  readonly landsMs?: number
}

/** See Store. */
export function createStore({
  replicas,
  longestWaitMs,
  runTask,
  landsMs = TIMING.landsMs,
  ...context
}: StoreParts): Store {
  const { database, now, random } = context
  const { db } = database
  const { me } = replicas
  const run = runTask ?? runInboxTasks({ database, random })
  return {
    me,
    write: (writes) => write({ ...context, replicas, run }, writes),
    due: (query) => dueRows({ db, owner: me(), now: now(), ...query }),
    readClaimed: (ids) => readClaimed({ ...context, me: me(), ids }),
    beginAttempt: async (attempts) => {
      const result = await run({ kind: 'begin', me: me(), attempts })
      return result.kind === 'begin' ? result.begun : new Set()
    },
    releaseStopped: (claimed) => releaseStopped({ db, me: me(), claimed, landsUntil: now() + landsMs }),
    stillOurs: (ids) => stillOurs({ db, me: me(), ids }),
    progress: (ids) => progressOf({ db, ids }),
    withdrawn: (ids) => readWithdrawn(db, ids),
    claimOrphans: createClaimOrphans({ database, replicas, now, longestWaitMs, random }),
    bringForward: (ms) => bringForward({ db, owner: me(), now: now(), ms }),
    lastActivityAt: () => lastActivityAt(db),
    claimAll: () => claimAll({ db, me: me(), now: now(), longestWaitMs, landsMs }),
  }
}

interface Writing extends Pick<WriteContext, 'now' | 'newId' | 'hasOutbox'> {
  readonly replicas: Pick<Replicas, 'me' | 'rejoin'>
  readonly run: RunInboxTask
}

async function write(writing: Writing, writes: readonly Write[]): Promise<Written[]> {
  const { replicas, run, now, newId, hasOutbox } = writing
  const me = replicas.me()
  const ids = newId.block(idsFor(writes))
  const result = await run({ kind: 'write', me, at: now(), ids, hasOutbox, writes })
  if (result.kind === 'write' && result.written !== null) return result.written
  await replicas.rejoin(me)
  return write(writing, writes)
}

/** The same store, but it fails at once while the database is known to be unavailable. */
export function guardStore(store: Store, { guard }: Availability): Store {
  return {
    me: store.me,
    write: (writes) => guard(() => store.write(writes)),
    due: (query) => guard(() => store.due(query)),
    readClaimed: (ids) => guard(() => store.readClaimed(ids)),
    beginAttempt: (attempts) => guard(() => store.beginAttempt(attempts)),
    releaseStopped: (claimed) => guard(() => store.releaseStopped(claimed)),
    stillOurs: (ids) => guard(() => store.stillOurs(ids)),
    progress: (ids) => guard(() => store.progress(ids)),
    withdrawn: (ids) => guard(() => store.withdrawn(ids)),
    claimOrphans: (limit) => guard(() => store.claimOrphans(limit)),
    bringForward: (ms) => guard(() => store.bringForward(ms)),
    lastActivityAt: () => guard(store.lastActivityAt),
    claimAll: store.claimAll,
  }
}
