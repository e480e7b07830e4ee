import type { Kysely } from 'kysely'
import type { Database } from '../../database/dialect.ts'
import type { ReplicaRow, Tables } from '../../database/schema.ts'
import { createHolds, type Holds } from './holds.ts'
import { createLease, type Lease } from './lease.ts'
import { createSilenceWatch } from './silence.ts'
import { TIMING } from './timing.ts'

/** The name of the hold that the leader has. No address and no event has it. */
const LEADER = 'leader'

export interface Replicas {
  readonly lease: Lease
  readonly holds: Holds
  /** This replica's name. It changes after the others have pruned this replica. */
  me(): string
  join(): Promise<void>
  /** Shows the others that this replica is alive. Resolves to false if they have pruned it. */
  beat(): Promise<boolean>
  /** The others have pruned this replica: cuts the calls in flight, and joins under another name, with a new lease. */
  rejoin(): Promise<void>
  /** The names of the live replicas as of the last `findDead`, in the same order everywhere; this one is among them. */
  live(): readonly string[]
  /** How many replicas are alive: at least 1. */
  liveCount(): number
  /** Looks who is alive, and resolves to those that have been silent for too long: see createSilenceWatch. */
  findDead(): Promise<ReplicaRow[]>
  /** Removes silent replicas, unless they have sent a heartbeat since. Resolves to how many were removed. */
  prune(dead: readonly ReplicaRow[]): Promise<number>
  /** If no other replica can be alive: removes all others. */
  removeOthers(): Promise<void>
  /** Tries to become the leader, which does what is done once for all replicas. It stays so until it is pruned. */
  lead(): Promise<void>
  isLeader(): boolean
  /** Removes this replica and its holds. */
  leave(): Promise<void>
}

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
}): Replicas {
  const { db, dialect } = database
  const lease = createLease({ forMs: deadAfterMs, clock })
  let name = newName()
  const me = (): string => name
  const holds = createHolds({ database, me, random, landsMs, clock })
  const leadership = createLeadership({ holds, lease, me })
  const register = (id: string) => db.insertInto('replicas').ignore().values({ id, seen_at: dialect.clock }).execute()

  return {
    lease,
    holds,
    ...leadership,
    ...createLook({ db, me, watch: createSilenceWatch({ forMs: deadAfterMs, clock }) }),
    me,
    join: async () => {
      await register(name)
    },
    beat: async () => {
      const update = db.updateTable('replicas').set({ seen_at: dialect.clock }).where('id', '=', name)
      const { numUpdatedRows } = await update.executeTakeFirst()
      return numUpdatedRows > 0n
    },
    rejoin: async () => {
      lease.cut()
      leadership.lost()
      const next = newName()
      const sentAt = clock()
      await register(next)
      name = next
      lease.extend(sentAt)
    },
    prune: (dead) => prune(db, dead),
    removeOthers: async () => {
      await db.deleteFrom('replicas').where('id', '!=', name).execute()
    },
    leave: async () => {
      await db.deleteFrom('replicas').where('id', '=', name).execute()
      await holds.sweep()
    },
  }
}

function createLook({
  db,
  me,
  watch,
}: Pick<Replicas, 'me'> & { db: Kysely<Tables>; watch: ReturnType<typeof createSilenceWatch> }) {
  let live: readonly string[] = [me()]
  return {
    live: () => live,
    liveCount: () => live.length,
    findDead: async () => {
      const rows = await db.selectFrom('replicas').select(['id', 'seen_at']).execute()
      const dead = watch.silent(rows).filter(({ id }) => id !== me())
      const living = rows.filter((row) => !dead.includes(row)).map(({ id }) => id)
      live = [...new Set([...living, me()])].sort()
      return dead
    },
  }
}

async function prune(db: Kysely<Tables>, dead: readonly ReplicaRow[]): Promise<number> {
  let pruned = 0
  for (const { id, seen_at } of dead) {
    const unchanged = db.deleteFrom('replicas').where('id', '=', id).where('seen_at', '=', seen_at)
    pruned += Number((await unchanged.executeTakeFirst()).numDeletedRows)
  }
  return pruned
}

function createLeadership({ holds, lease, me }: Pick<Replicas, 'holds' | 'lease' | 'me'>) {
  let leader = ''
  return {
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
