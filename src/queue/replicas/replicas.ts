import type { Database } from '../../database/dialect.ts'
import type { Db, ReplicaRow } from '../../database/schema.ts'
import { createHolds, type Holds } from './holds.ts'
import { createLease, type Lease } from './lease.ts'
import { createSilenceWatch } from './silence.ts'
import { TIMING } from './timing.ts'

/** The name of the hold that the leader has. No address and no event has it. */
const LEADER = 'leader'

/**
 * The services that share the database. Each replica has one heartbeat, not one for each row.
 * @param from.newName gives a new name at each call, of at most 36 characters
 * @param from.deadAfterMs how long a replica may be silent before the others prune it
 * @param from.landsMs see Timing
 * @param from.clock the monotonic clock, ms
 */
export function createReplicas({
  database,
  newName,
  deadAfterMs,
  random,
  landsMs = TIMING.landsMs,
  clock = () => performance.now(),
}: {
  database: Pick<Database, 'db' | 'dialect'>
  newName: () => string
  deadAfterMs: number
  random: () => number
  landsMs?: number
  clock?: () => number
}) {
  const { db, dialect } = database
  const lease = createLease({ forMs: deadAfterMs, clock })
  let name = newName()
  const me = (): string => name
  const holds = createHolds({ database, me, random, landsMs, clock })
  const { lost, ...leadership } = createLeadership({ holds, lease, me })
  const register = async (id: string): Promise<void> => {
    const sentAt = clock()
    await db.insertInto('replicas').ignore().values({ id, seen_at: dialect.clock }).execute()
    name = id
    lease.extend(sentAt)
  }

  return {
    lease,
    holds,
    ...leadership,
    ...createOthers({ db, me, watch: createSilenceWatch({ forMs: deadAfterMs, clock }) }),
    /** This replica's name. It changes after the others have pruned this replica. */
    me,
    join: () => register(name),
    /** Shows the others that this replica is alive, and extends its lease. Resolves to false if they have pruned it. */
    beat: async (): Promise<boolean> => {
      const sentAt = clock()
      const update = db.updateTable('replicas').set({ seen_at: dialect.clock }).where('id', '=', name)
      const { numUpdatedRows } = await update.executeTakeFirst()
      if (numUpdatedRows > 0n) lease.extend(sentAt)
      return numUpdatedRows > 0n
    },
    /** The others have pruned this replica: cuts the calls in flight, and joins under another name, with a new lease. */
    rejoin: async (): Promise<void> => {
      lease.cut()
      lost()
      await register(newName())
    },
    /** Removes this replica and its holds. */
    leave: async (): Promise<void> => {
      await db.deleteFrom('replicas').where('id', '=', name).execute()
      await holds.sweep()
    },
  }
}

export type Replicas = ReturnType<typeof createReplicas>

/** The other replicas. */
function createOthers({ db, me, watch }: { db: Db; me: () => string; watch: ReturnType<typeof createSilenceWatch> }) {
  let live: readonly string[] = [me()]
  return {
    /** The names of the live replicas as of the last `findDead`, in the same order everywhere; this one is among them. */
    live: () => live,
    /** How many replicas are alive: at least 1. */
    liveCount: () => live.length,
    /** Looks who is alive, and resolves to those that have been silent for too long: see createSilenceWatch. */
    findDead: async (): Promise<ReplicaRow[]> => {
      const rows = await db.selectFrom('replicas').select(['id', 'seen_at']).execute()
      const dead = watch.silent(rows).filter(({ id }) => id !== me())
      const living = rows.filter((row) => !dead.includes(row)).map(({ id }) => id)
      live = [...new Set([...living, me()])].sort()
      return dead
    },
    /** Removes silent replicas, unless they have sent a heartbeat since. Resolves to how many were removed. */
    prune: async (dead: readonly ReplicaRow[]): Promise<number> => {
      let pruned = 0
      for (const { id, seen_at } of dead) {
        const unchanged = db.deleteFrom('replicas').where('id', '=', id).where('seen_at', '=', seen_at)
        pruned += Number((await unchanged.executeTakeFirst()).numDeletedRows)
      }
      return pruned
    },
    /** If no other replica can be alive: removes all others. */
    removeOthers: async (): Promise<void> => {
      await db.deleteFrom('replicas').where('id', '!=', me()).execute()
    },
  }
}

function createLeadership({ holds, lease, me }: { holds: Holds; lease: Lease; me: () => string }) {
  let leader = ''
  return {
    /** Tries to become the leader, which does what is done once for all replicas. It stays so until it is pruned. */
    lead: async (): Promise<void> => {
      const replica = me()
      if (leader === replica) return
      const isTaken = await holds.take([LEADER], async (_trx, kept) => ({ result: kept.has(LEADER), kept }))
      if (isTaken) leader = replica
    },
    isLeader: (): boolean => leader === me() && lease.isValid(),
    /** The others have pruned this replica, and with it this hold. */
    lost: (): void => holds.ended([LEADER]),
  }
}
