import type { Database } from '../database/dialect.ts'
import { createHeartbeat, type Heartbeat } from './heartbeat.ts'
import { pruneReplica } from './prune.ts'
import { TIMING } from './timing.ts'

export interface Replicas extends Heartbeat {
  /** How many replicas are alive as of the last `findDead`, including this one: at least 1. */
  liveCount(): number
  /** Counts the live replicas, and resolves to the names of those that have been silent for too long. */
  findDead(): Promise<string[]>
  /** Removes silent replicas, unless they have sent a heartbeat since. Resolves to how many deliveries were released. */
  prune(dead: readonly string[]): Promise<number>
  /** If no other replica can be alive: removes all others. Store.claimAll claims their deliveries. */
  removeOthers(): Promise<void>
  /** Removes this replica, so that others claim its deliveries at once. */
  leave(): Promise<void>
}

/**
 * The services that share the database. Each replica has one heartbeat, not one for each row. All heartbeats are timed by
 * the database's own clock. A delivery belongs to the replica that it names as its owner; without one it is an orphan.
 * @param from.newName gives a new name at each call, of at most 36 characters
 * @param from.deadAfterMs how long a replica may be silent before the others prune it
 * @param from.landsMs see Timing
 */
export function createReplicas({
  database,
  newName,
  deadAfterMs,
  landsMs = TIMING.landsMs,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  newName: () => string
  deadAfterMs: number
  landsMs?: number
}): Replicas {
  const { db, dialect } = database
  const heartbeat = createHeartbeat({ database, newName })
  const { me } = heartbeat
  let live = 1

  return {
    ...heartbeat,
    liveCount: () => live,
    findDead: async () => {
      const rows = await db
        .selectFrom('replicas')
        .select((eb) => ['id', eb(dialect.clock, '-', eb.ref('seen_at')).as('silent')])
        .execute()
      const dead = rows.filter(({ id, silent }) => id !== me() && Number(silent) >= deadAfterMs)
      live = Math.max(1, rows.length - dead.length)
      return dead.map(({ id }) => id)
    },
    prune: async (dead) => {
      let released = 0
      for (const id of dead) released += await pruneReplica({ database, id, silentMs: deadAfterMs, landsMs })
      return released
    },
    removeOthers: async () => {
      await db.deleteFrom('replicas').where('id', '!=', me()).execute()
    },
    leave: async () => {
      await pruneReplica({ database, id: me(), silentMs: 0, landsMs })
    },
  }
}
