import type { Database } from '../database/dialect.ts'

/** The right of one replica to do a task, in a row of the table `leases`, by the database's clock. */
export interface TaskLease {
  /** Takes the lease if nobody has it, and the last one's rest is over. */
  take(): Promise<boolean>
  /** Whether this replica still has it. Renews it before it ends; it ends early if another replica took it over. */
  hold(): Promise<boolean>
  /** Gives it up: nobody may take it for `ms`. */
  rest(ms: number): Promise<void>
}

const NOBODY = ''
/** Renewed after this part of its time, so that one slow statement doesn't lose it. */
const RENEW_AFTER = 0.25

/**
 * A lease that a replica holds while it works, and that ends by itself `forMs` after its last renewal, for example
 * because the replica died. Between two turns, the same row holds the time of the next one.
 * @param from.me this replica's name
 * @param from.longestMs the longest rest: a row with a later end was written before the clock was set back
 * @param from.clock the monotonic clock, ms
 */
export function createTaskLease({
  database: { db, dialect },
  name,
  me,
  forMs,
  longestMs,
  clock,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  name: string
  me: () => string
  forMs: number
  longestMs: number
  clock: () => number
}): TaskLease {
  let holder = NOBODY
  let renewedAt = Number.NEGATIVE_INFINITY

  const until = async (owner: string, ms: number): Promise<boolean> => {
    const { numUpdatedRows } = await db
      .updateTable('leases')
      .set((eb) => ({ owner, until: eb(dialect.clock, '+', ms) }))
      .where('name', '=', name)
      .where('owner', '=', holder)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }

  return {
    take: async () => {
      holder = me()
      const sentAt = clock()
      const row = await db.selectFrom('leases').select('name').where('name', '=', name).executeTakeFirst()
      if (row === undefined) await db.insertInto('leases').ignore().values({ name, owner: NOBODY, until: 0 }).execute()
      const { numUpdatedRows } = await db
        .updateTable('leases')
        .set((eb) => ({ owner: holder, until: eb(dialect.clock, '+', forMs) }))
        .where('name', '=', name)
        .where((eb) =>
          eb.or([
            eb('owner', '=', holder),
            eb('until', '<=', dialect.clock),
            eb('until', '>', eb(dialect.clock, '+', longestMs)),
          ]),
        )
        .executeTakeFirst()
      renewedAt = sentAt
      return numUpdatedRows > 0n
    },
    hold: async () => {
      const sentAt = clock()
      if (sentAt - renewedAt < forMs * RENEW_AFTER) return true
      const renewed = await until(holder, forMs)
      renewedAt = renewed ? sentAt : Number.NEGATIVE_INFINITY
      return renewed
    },
    rest: async (ms) => {
      await until(NOBODY, ms)
    },
  }
}
