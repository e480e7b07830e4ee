import type { Kysely } from 'kysely'
import type { Database } from '../../database/dialect.ts'
import type { ReplicaRow, Tables } from '../../database/schema.ts'
import { createLease, type Lease } from './lease.ts'
import { pruneReplica } from './prune.ts'
import { TIMING } from './timing.ts'

/** A replica whose heartbeat had the value `seen_at` for too long. */
export type DeadReplica = Pick<ReplicaRow, 'id' | 'seen_at'>

export interface Replicas {
  readonly lease: Lease
  /** This replica's name. It changes after the others have pruned this replica. */
  me(): string
  join(): Promise<void>
  /**
   * Shows the others that this replica is alive, by the time in its row, which is the database's. Resolves to its name, or
   * to null if they have pruned it. In a transaction it also blocks pruning until the end, so that no row can get an owner
   * that is gone.
   */
  beat(on?: Kysely<Tables>): Promise<string | null>
  /**
   * The others have pruned `lost`: cuts the calls in flight, and joins under another name, with a new lease. Does nothing if
   * this replica no longer has the name `lost`.
   */
  rejoin(lost: string): Promise<void>
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
  const watch = createSilenceWatch({ forMs: deadAfterMs, clock })
  const heartbeat = createHeartbeat({ database, newName, lease, clock })
  const { me } = heartbeat
  let live = 1

  return {
    lease,
    ...heartbeat,
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

/** The name of this replica in the database, and the heartbeat that keeps it. */
function createHeartbeat({
  database: { db, dialect },
  newName,
  lease,
  clock,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  newName: () => string
  lease: Lease
  clock: () => number
}): Pick<Replicas, 'me' | 'join' | 'beat' | 'rejoin'> {
  let me = newName()
  let rejoining: Promise<void> | null = null

  const register = async (name: string): Promise<void> => {
    await db.insertInto('replicas').ignore().values({ id: name, seen_at: dialect.clock }).execute()
  }
  const joinAnew = async (): Promise<void> => {
    lease.cut()
    const name = newName()
    const sentAt = clock()
    await register(name)
    me = name
    lease.extend(sentAt)
  }

  return {
    me: () => me,
    join: () => register(me),
    beat: async (on = db) => {
      const name = me
      const update = on.updateTable('replicas').set({ seen_at: dialect.clock }).where('id', '=', name)
      const { numUpdatedRows } = await update.executeTakeFirst()
      return numUpdatedRows > 0n ? name : null
    },
    rejoin: async (lost) => {
      if (me !== lost) return
      rejoining ??= joinAnew().finally(() => {
        rejoining = null
      })
      await rejoining
    },
  }
}

/** A row of `replicas` as it was read. */
interface Seen {
  readonly id: string
  readonly seen_at: number
}

/**
 * Tells who is silent by this process's monotonic clock alone: a replica is alive as long as the value of its heartbeat
 * changes, whatever the value is. So no clock is compared with another one, and none that is set makes a living replica
 * look dead. A time in which this process didn't look, because it or the database stood still, tells nothing of the
 * others, who may have stood still with it: then it starts anew.
 * @param of.forMs how long a heartbeat has to be unchanged
 * @param of.clock the monotonic clock, ms
 */
export function createSilenceWatch({ forMs, clock }: { forMs: number; clock: () => number }) {
  let seen = new Map<string, { readonly value: number; readonly since: number }>()
  let lookedAt = Number.NEGATIVE_INFINITY
  return {
    /** Call it with the rows as they are now. Returns those that have shown no new heartbeat for the whole time. */
    silent: <Row extends Seen>(rows: readonly Row[]): Row[] => {
      const at = clock()
      const before = at - lookedAt > forMs / 2 ? null : seen
      lookedAt = at
      seen = new Map(
        rows.map(({ id, seen_at: value }) => {
          const known = before?.get(id)
          return [id, known?.value === value ? known : { value, since: at }]
        }),
      )
      return rows.filter(({ id }) => at - (seen.get(id)?.since ?? at) >= forMs)
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
