import type { Kysely } from 'kysely'
import type { Database } from '../database/dialect.ts'
import type { Tables } from '../database/schema.ts'

/** So many deliveries are freed in one transaction. */
const STEP = 1000

/**
 * The services that share the database. A replica, not a row, has the heartbeat; all of them are timed by the
 * database's own clock. A row belongs to the replica that it names as its owner, and to nobody without one.
 */
export function createReplicas({
  database: { db, dialect },
  newName,
  deadAfterMs,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  /** Gives another name each time, of at most 36 characters. */
  newName: () => string
  /** After so long a silence a replica is given up for dead. */
  deadAfterMs: number
}) {
  const { clock } = dialect
  let me = newName()
  let rejoining: Promise<void> | null = null
  let live = 1

  const register = async (name: string): Promise<void> => {
    await db.insertInto('replicas').ignore().values({ id: name, seen_at: clock }).execute()
  }

  /**
   * Makes up to STEP deliveries of a replica nobody's, including those that an operator has stopped; by their ids, for
   * MariaDB would scan the table.
   */
  const freeSome = async (on: Kysely<Tables>, owner: string): Promise<number> => {
    const rows = await on
      .selectFrom('deliveries')
      .select('id')
      .where('owner', '=', owner)
      .orderBy('state')
      .orderBy('due_at')
      .limit(STEP)
      .execute()
    if (rows.length === 0) return 0
    const ids = rows.map(({ id }) => id).sort()
    const freed = await on
      .updateTable('deliveries')
      .set({ owner: null })
      .where('id', 'in', ids)
      .where('owner', '=', owner)
      .executeTakeFirst()
    return Number(freed.numUpdatedRows)
  }
  const freeAll = async (on: Kysely<Tables>, owner: string): Promise<number> => {
    let freed = 0
    for (;;) {
      const some = await freeSome(on, owner)
      if (some === 0) return freed
      freed += some
    }
  }

  /** The many in steps, so that no transaction is long; what came meanwhile together with the replica's own row. */
  const remove = async (id: string, silentMs: number): Promise<number> => {
    const freed = await freeAll(db, id)
    return db.transaction().execute(async (trx) => {
      const gone = await trx
        .deleteFrom('replicas')
        .where('id', '=', id)
        .where('seen_at', '<=', (eb) => eb(clock, '-', silentMs))
        .executeTakeFirst()
      return gone.numDeletedRows === 0n ? freed : freed + (await freeAll(trx, id))
    })
  }

  return {
    /** This replica's name; another one after it has been given up for dead. */
    me: () => me,

    /** How many replicas are alive, this one included, as of the last look: at least 1. */
    liveCount: () => live,

    join: (): Promise<void> => register(me),

    /**
     * The heartbeat; gives the name under which this replica lives, null if that was given up for dead. In a
     * transaction it also holds off those who would give it up, until the end: so no row can become the property of a
     * replica that is gone.
     */
    beat: async (on: Kysely<Tables> = db): Promise<string | null> => {
      const name = me
      const beat = await on.updateTable('replicas').set({ seen_at: clock }).where('id', '=', name).executeTakeFirst()
      return beat.numUpdatedRows > 0n ? name : null
    },

    /** Begins anew under another name, unless that has happened since it was called `lost`. */
    rejoin: async (lost: string): Promise<void> => {
      if (me !== lost) return
      rejoining ??= (async () => {
        const name = newName()
        await register(name)
        me = name
      })().finally(() => {
        rejoining = null
      })
      await rejoining
    },

    /** Counts those that are alive, and gives the names of those that have been silent for too long. */
    look: async (): Promise<string[]> => {
      const rows = await db
        .selectFrom('replicas')
        .select((eb) => ['id', eb(clock, '-', eb.ref('seen_at')).as('silent')])
        .execute()
      const dead = rows.filter(({ id, silent }) => id !== me && Number(silent) >= deadAfterMs)
      live = Math.max(1, rows.length - dead.length)
      return dead.map(({ id }) => id)
    },

    /** Frees what silent replicas left unfinished, unless they have been heard of since; gives how much. */
    bury: async (dead: readonly string[]): Promise<number> => {
      let freed = 0
      for (const id of dead) freed += await remove(id, deadAfterMs)
      return freed
    },

    /** Where nobody else can be alive: forgets all others. Their rows are for takeOver. */
    forgetOthers: async (): Promise<void> => {
      await db.deleteFrom('replicas').where('id', '!=', me).execute()
    },

    /** Frees what this replica leaves unfinished, so that others take it up at once. */
    leave: async (): Promise<void> => {
      await remove(me, 0)
    },
  }
}
export type Replicas = ReturnType<typeof createReplicas>
