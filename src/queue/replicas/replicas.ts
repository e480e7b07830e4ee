import type { Kysely } from 'kysely'
import type { Database } from '../../database/dialect.ts'
import type { ReplicaRow, Tables } from '../../database/schema.ts'
import { createHeartbeat, type Heartbeat } from './heartbeat.ts'
import { createLease, type Lease } from './lease.ts'
import { pruneReplica } from './prune.ts'
import { createSilenceWatch } from './silence.ts'
import { TIMING } from './timing.ts'

/** A replica whose heartbeat had the value `seen_at` for too long. */
export type DeadReplica = Pick<ReplicaRow, 'id' | 'seen_at'>

export interface Replicas extends Heartbeat {
  readonly lease: Lease
  /** How many replicas are alive as of the last `findDead`, including this one: at least 1. */
  liveCount(): number
  /** Counts the live replicas, and resolves to those that have been silent for too long: see createSilenceWatch. */
  findDead(): Promise<DeadReplica[]>
  /** Removes silent replicas, unless they have sent a heartbeat since. Resolves to how many deliveries were released. */
  prune(dead: readonly DeadReplica[]): Promise<number>
  /** If no other replica can be alive: removes all others. Store.claimAll claims their deliveries. */
  removeOthers(): Promise<void>
  /** Removes this replica, so that others claim its deliveries at once. */
  leave(): Promise<void>
}

/**
 * The services that share the database. Each replica has one heartbeat, not one for each row. A delivery belongs to the
 * replica that it names as its owner; without one it is an orphan.
 * @param from.newName gives a new name at each call, of at most 36 characters
 * @param from.deadAfterMs how long a replica may be silent before the others prune it
 * @param from.landsMs see Timing
 * @param from.clock the monotonic clock, ms
 */
export function createReplicas({
  database,
  newName,
  deadAfterMs,
  landsMs = TIMING.landsMs,
  clock = () => performance.now(),
}: {
  database: Pick<Database, 'db' | 'dialect'>
  newName: () => string
  deadAfterMs: number
  landsMs?: number
  clock?: () => number
}): Replicas {
  const { db } = database
  const lease = createLease({ forMs: deadAfterMs, clock })
  const heartbeat = createHeartbeat({ database, newName, lease, clock })
  const { me } = heartbeat
  const watch = createSilenceWatch({ forMs: deadAfterMs, clock })
  let live = 1

  return {
    ...heartbeat,
    lease,
    liveCount: () => live,
    findDead: async () => {
      const rows = await db.selectFrom('replicas').select(['id', 'seen_at']).execute()
      const dead = watch.silent(rows).filter(({ id }) => id !== me())
      live = Math.max(1, rows.length - dead.length)
      return dead
    },
    prune: async (dead) => {
      let released = 0
      for (const { id, seen_at } of dead) released += await pruneReplica({ database, id, seenAt: seen_at, landsMs })
      return released
    },
    removeOthers: async () => {
      await db.deleteFrom('replicas').where('id', '!=', me()).execute()
    },
    leave: async () => {
      await pruneReplica({ database, id: me(), landsMs })
    },
  }
}

/**
 * The rows that this replica may claim, under its name `me`: those without an owner, those whose owner is no longer a
 * replica, and its own, which are left over from an attempt whose result could not be stored.
 */
export async function freeAmong<Row extends { readonly owner: string | null }>(
  db: Kysely<Tables>,
  { rows, me }: { rows: readonly Row[]; me: string },
): Promise<Row[]> {
  const replicas = await db.selectFrom('replicas').select('id').execute()
  const others = new Set(replicas.map(({ id }) => id).filter((id) => id !== me))
  return rows.filter(({ owner }) => owner === null || !others.has(owner))
}
