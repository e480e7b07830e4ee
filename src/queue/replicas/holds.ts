import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../database/dialect.ts'
import type { Db, HoldRow, Trx } from '../../database/schema.ts'
import { insertRows, inTransaction, ROW_CHANGED } from '../../database/transaction.ts'
import { createSilenceWatch } from './silence.ts'

const POLL_MS = 100

/** In place of the replica: nobody acts under the hold, and a call that was made under it may still be carried out. */
const NOBODY = ''

/**
 * The holds of one replica. A hold is the right to act for one name, which one replica has at a time: for a person, to
 * attempt or withdraw a sale; for the events of a delivery, to send them; or to be the leader. What waits is held by nobody,
 * so nothing has to be released when a replica dies but what it was doing just then.
 *
 * The table has a row for each hold. Within the process, memory keeps two parts from acting under the same hold.
 */
export interface Holds {
  /**
   * Takes those of these names that are free, in a transaction. `body` gets them, and gives those to keep; the others are
   * free again at its end.
   */
  take<Result>(
    names: readonly string[],
    body: (
      trx: Trx,
      taken: ReadonlySet<string>,
    ) => Promise<{ readonly result: Result; readonly kept: ReadonlySet<string> }>,
  ): Promise<Result>
  /** Whether this replica still has a hold. Ask it right before a call to the LMS. */
  has(name: string): Promise<boolean>
  /**
   * Records, before a call that may undo what is done for these people afterwards, that it may be carried out late: if this
   * process dies, their holds last until it can't be.
   */
  mayLandLate(names: readonly string[]): Promise<void>
  /**
   * Ends holds in a transaction. Resolves to those that were still this replica's. Call `ended` after the commit. `isLate`: a
   * call of mayLandLate got no answer. Then the holds last as nobody's until the LMS can't carry it out any more.
   */
  end(trx: Trx, names: readonly string[], of?: { readonly isLate: boolean }): Promise<ReadonlySet<string>>
  /** Memory forgets these holds: they have ended, or the heartbeat is to end what the database still has of them. */
  ended(names: readonly string[]): void
  /**
   * Ends what nobody acts under: the holds of replicas that are gone, also of this one after it has left; those of this
   * one that memory doesn't know, because the database didn't confirm that they were taken or have ended; and nobody's,
   * after landsMs by this process's own clock. Resolves to how many.
   */
  sweep(): Promise<number>
}

interface HoldsParts {
  readonly database: Pick<Database, 'db' | 'dialect'>
  /** Gives this replica's name. */
  readonly me: () => string
  readonly random: () => number
  /** For how long the LMS may still carry out a call that nobody waits for any more, ms. */
  readonly landsMs: number
  /** The monotonic clock, ms. */
  readonly clock: () => number
}

/** Makes the holds of one replica. */
export function createHolds({ database, me, random, landsMs, clock }: HoldsParts): Holds {
  const mine = new Set<string>()
  const { db, dialect } = database
  const late = createSilenceWatch({ forMs: landsMs, clock })
  return {
    take: async (names, body) => {
      const wanted = [...new Set(names)].filter((name) => !mine.has(name)).sort() // unsorted, two replicas deadlock on MySQL
      for (const name of wanted) mine.add(name)
      let kept: ReadonlySet<string> = new Set()
      const attempt = async (trx: Trx) => {
        const replica = me()
        const taken = await insertHolds(trx, { names: wanted, replica })
        const done = await body(trx, taken)
        await deleteHolds(trx, { names: [...taken].filter((name) => !done.kept.has(name)), replica })
        return done
      }
      try {
        const done = await inTransaction({ database, random, body: attempt })
        kept = done.kept
        return done.result
      } finally {
        for (const name of wanted) if (!kept.has(name)) mine.delete(name)
      }
    },

    has: async (name) => (await heldAmong(db, { names: [name], replica: me() })).has(name),

    mayLandLate: async (names) => {
      const mark = async (trx: Trx) => {
        const holds = trx.updateTable('holds').set({ late_at: dialect.clock })
        await holds.where('name', 'in', names).where('replica', '=', me()).execute()
      }
      await inTransaction({ database, random, body: mark })
    },

    end: async (trx, names, { isLate } = { isLate: false }) => {
      if (names.length === 0) return new Set()
      const held = [...(await heldAmong(trx, { names, replica: me() }))].sort()
      const of = { dialect, names: held, replica: me() }
      if ((await (isLate ? endOrLeave(trx, of) : deleteHolds(trx, of))) !== held.length) throw ROW_CHANGED
      return new Set(held)
    },

    ended: (names) => {
      for (const name of names) mine.delete(name)
    },

    sweep: async () => {
      const rows = await goneOrMine(db, me())
      const left = rows.filter(({ name, replica, isGone }) => replica !== NOBODY && (isGone || !mine.has(name)))
      for (const [replica, group] of Map.groupBy(left, (row) => row.replica)) {
        const names = group.map(({ name }) => name).sort()
        await inTransaction({ database, random, body: (trx) => endDead(trx, { dialect, names, replica, landsMs }) })
      }
      return left.length + (await endLate(db, { late, rows }))
    },
  }
}

/** The holds of this replica, and those of replicas that are gone. */
async function goneOrMine(db: Db, me: string) {
  const rows = await db
    .selectFrom('holds')
    .leftJoin('replicas', 'replicas.id', 'holds.replica')
    .select(['holds.name', 'holds.replica', 'holds.late_at', 'replicas.id'])
    .where((eb) => eb.or([eb('replicas.id', 'is', null), eb('holds.replica', '=', me)]))
    .execute()
  return rows.map(({ id, ...row }) => ({ ...row, isGone: id === null }))
}

async function insertHolds(
  trx: Trx,
  { names, replica }: { names: readonly string[]; replica: string },
): Promise<Set<string>> {
  const member = await trx.selectFrom('replicas').select('id').where('id', '=', replica).executeTakeFirst()
  if (member === undefined) return new Set() // the others have pruned it
  const rows = names.map((name) => ({ name, replica }))
  const inserted = await insertRows({ trx, into: 'holds', rows, existing: 'ignore' })
  if (inserted === names.length) return new Set(names)
  return heldAmong(trx, { names, replica })
}

async function heldAmong(
  db: Db,
  { names, replica }: { names: readonly string[]; replica: string },
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('holds')
    .select('name')
    .where('name', 'in', names)
    .where('replica', '=', replica)
    .execute()
  return new Set(rows.map(({ name }) => name))
}

async function deleteHolds(
  trx: Trx,
  { names, replica }: { names: readonly string[]; replica: string },
): Promise<number> {
  if (names.length === 0) return 0
  const { numDeletedRows } = await trx
    .deleteFrom('holds')
    .where('name', 'in', names)
    .where('replica', '=', replica)
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** Ends holds, but leaves those to nobody whose last call may be carried out from now on. Returns how many there were. */
async function endOrLeave(
  trx: Trx,
  { dialect, names, replica }: Pick<Database, 'dialect'> & { names: readonly string[]; replica: string },
): Promise<number> {
  if (names.length === 0) return 0
  const { numUpdatedRows } = await trx
    .updateTable('holds')
    .set({ replica: NOBODY, late_at: dialect.clock })
    .where('name', 'in', names)
    .where('replica', '=', replica)
    .where('late_at', 'is not', null)
    .executeTakeFirst()
  return Number(numUpdatedRows) + (await deleteHolds(trx, { names, replica }))
}

/** Ends nobody's holds that have been so for long enough, and were not left once more since they were read. Returns how many. */
async function endLate(
  db: Db,
  { late, rows }: { late: ReturnType<typeof createSilenceWatch>; rows: readonly HoldRow[] },
): Promise<number> {
  const nobodys = rows.filter(({ replica }) => replica === NOBODY)
  const over = late.silent(nobodys.map(({ name, late_at }) => ({ id: name, seen_at: late_at ?? 0 })))
  for (const { id, seen_at } of over) {
    const hold = db.deleteFrom('holds').where('name', '=', id).where('replica', '=', NOBODY)
    await hold.where('late_at', '=', seen_at).execute()
  }
  return over.length
}

/**
 * Ends the holds of a replica that can make no more calls under them, or leaves them to nobody (see mayLandLate). The LMS
 * may still carry out the last call that enrolls, which began no later than now: what was sold to the person says so.
 */
async function endDead(
  trx: Trx,
  {
    dialect,
    names,
    replica,
    landsMs,
  }: Pick<Database, 'dialect'> & { names: readonly string[]; replica: string; landsMs: number },
): Promise<void> {
  if ((await endOrLeave(trx, { dialect, names, replica })) === 0) return
  const sold = await trx.selectFrom('deliveries').select('id').where('email', 'in', names).execute()
  const ids = sold.map(({ id }) => id).sort()
  if (ids.length === 0) return
  await trx
    .updateTable('deliveries')
    .set((eb) => ({ lands_until: eb(dialect.clock, '+', landsMs) }))
    .where('id', 'in', ids)
    .execute()
}

/**
 * Waits until nobody acts under these holds any more. A replica that is silent for `silentMs` doesn't, because its lease has
 * ended; resolves to the names of those that still have one of the holds, '' for nobody (see mayLandLate).
 * @param of.silentMs measured here, whatever the clocks say
 */
export async function untilFree(
  db: Db,
  { names, silentMs }: { names: readonly string[]; silentMs: number },
): Promise<readonly string[]> {
  if (names.length === 0) return []
  const watch = createSilenceWatch({ forMs: silentMs, clock: () => performance.now() })
  for (;;) {
    const holders = await db
      .selectFrom('holds')
      .leftJoin('replicas', 'replicas.id', 'holds.replica')
      .select(['holds.replica', 'replicas.id', 'replicas.seen_at'])
      .where('holds.name', 'in', names)
      .execute()
    const known = holders.flatMap(({ id, seen_at }) => (id === null || seen_at === null ? [] : [{ id, seen_at }]))
    if (watch.silent(known).length === known.length) return holders.map(({ replica }) => replica)
    await delay(POLL_MS)
  }
}
