import type { Kysely } from 'kysely'
import type { Database, Dialect } from '../../database/dialect.ts'
import type { Tables } from '../../database/schema.ts'
import type { Lease } from './lease.ts'

export interface Heartbeat {
  /** This replica's name. It changes after the others have pruned this replica. */
  me(): string
  join(): Promise<void>
  /**
   * Shows the others that this replica is alive. Resolves to its name, or to null if they have pruned it. In a transaction
   * it also blocks pruning until the end, so that no row can get an owner that is gone.
   */
  beat(on?: Kysely<Tables>): Promise<string | null>
  /**
   * The others have pruned `lost`: cuts the calls in flight, and joins under another name, with a new lease. Does nothing if
   * this replica no longer has the name `lost`.
   */
  rejoin(lost: string): Promise<void>
}

/**
 * The heartbeat of one replica: the time in its row, by the database's clock. The others only watch whether it changes.
 * @param from.newName gives a new name at each call, of at most 36 characters
 */
export function createHeartbeat({
  database: { db, dialect },
  newName,
  lease,
  clock,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  newName: () => string
  lease: Pick<Lease, 'cut' | 'extend'>
  /** The monotonic clock, ms. */
  clock: () => number
}): Heartbeat {
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
      return (await beatAs({ on, dialect, me: name })) ? name : null
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

/** Heartbeat.beat for the replica of this name. Resolves to false if the others have pruned it. */
export async function beatAs({
  on,
  dialect,
  me,
}: {
  on: Kysely<Tables>
  dialect: Pick<Dialect, 'clock'>
  me: string
}): Promise<boolean> {
  const { numUpdatedRows } = await on
    .updateTable('replicas')
    .set({ seen_at: dialect.clock })
    .where('id', '=', me)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
