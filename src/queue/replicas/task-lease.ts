import type { Database } from '../../database/dialect.ts'

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

interface LeaseOptions {
  readonly database: Pick<Database, 'db' | 'dialect'>
  readonly name: string
  /** This replica's name. */
  readonly me: () => string
  /** How long it lasts after a renewal, ms. */
  readonly forMs: number
  /** The longest rest: a row with a later end was written before the clock was set back. */
  readonly longestMs: number
  /** The monotonic clock, ms. */
  readonly clock: () => number
}

/**
 * A lease that a replica holds while it works. It ends by itself if the replica dies. Between two turns, the same row
 * holds the time of the next one.
 */
export function createTaskLease(options: LeaseOptions): TaskLease {
  const { me, forMs, clock } = options
  let holder = NOBODY
  let renewedAt = Number.NEGATIVE_INFINITY
  return {
    take: async () => {
      const sentAt = clock()
      holder = me()
      renewedAt = sentAt
      return takeFor(options, holder)
    },
    hold: async () => {
      const sentAt = clock()
      if (sentAt - renewedAt < forMs * RENEW_AFTER) return true
      const renewed = await pass(options, { from: holder, to: holder, ms: forMs })
      renewedAt = renewed ? sentAt : Number.NEGATIVE_INFINITY
      return renewed
    },
    rest: async (ms) => {
      await pass(options, { from: holder, to: NOBODY, ms })
    },
  }
}

async function takeFor(
  { database: { db, dialect }, name, forMs, longestMs }: LeaseOptions,
  owner: string,
): Promise<boolean> {
  const row = await db.selectFrom('leases').select('name').where('name', '=', name).executeTakeFirst()
  if (row === undefined) await db.insertInto('leases').ignore().values({ name, owner: NOBODY, until: 0 }).execute()
  const { numUpdatedRows } = await db
    .updateTable('leases')
    .set((eb) => ({ owner, until: eb(dialect.clock, '+', forMs) }))
    .where('name', '=', name)
    .where((eb) =>
      eb.or([
        eb('owner', '=', owner),
        eb('until', '<=', dialect.clock),
        eb('until', '>', eb(dialect.clock, '+', longestMs)),
      ]),
    )
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** false: `from` does not have the lease any more. */
async function pass(
  { database: { db, dialect }, name }: LeaseOptions,
  { from, to, ms }: { from: string; to: string; ms: number },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('leases')
    .set((eb) => ({ owner: to, until: eb(dialect.clock, '+', ms) }))
    .where('name', '=', name)
    .where('owner', '=', from)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
