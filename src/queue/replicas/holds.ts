import { setTimeout as delay } from 'node:timers/promises'
import type { ExpressionBuilder } from 'kysely'
import type { Database } from '../../database/dialect.ts'
import type { Db, HoldRow, Tables, Trx } from '../../database/schema.ts'
import { insertRows, inTransaction, ROW_CHANGED } from '../../database/transaction.ts'
import { createSilenceWatch } from './silence.ts'

const POLL_MS = 100

/** In place of the replica: nobody acts under the hold, and a call that was made under it may still be carried out. */
const NOBODY = ''

/** The condition, after a left join, that a person is free for an attempt: see Holds. */
export const isFreeToEnroll = (eb: ExpressionBuilder<Tables & { holds: HoldRow }, 'holds'>) =>
  eb.or([eb('holds.name', 'is', null), eb.and([eb('holds.replica', '=', NOBODY), eb('holds.effect', '=', 'enrolls')])])

/**
 * The holds of one replica. A hold is the right to act for one name, which one replica has at a time: for a person, to
 * attempt or withdraw a sale; for the events of a delivery, to send them; or to be the leader. What waits is held by nobody,
 * so nothing has to be released when a replica dies but what it was doing just then.
 *
 * The LMS may carry out a call that nobody waits for any more: it got no answer, or its process died. Until it can't, the
 * hold is left to nobody. An attempt may take it even so, because it wants what a late call that enrolls does; but a
 * withdrawal waits, because finding no enrollment proves nothing until then. A late call that undoes what is done for the
 * person makes both wait.
 *
 * The table has a row for each hold. Within the process, memory keeps two parts from acting under the same hold.
 */
export interface Holds {
  /**
   * Takes those of these names that are free, in a transaction. `body` gets them, and gives those to keep; the others are
   * free again at its end. `enrolls`: for attempts.
   */
  take<Result>(
    names: readonly string[],
    body: (
      trx: Trx,
      taken: ReadonlySet<string>,
    ) => Promise<{ readonly result: Result; readonly kept: ReadonlySet<string> }>,
    of?: { readonly enrolls: boolean },
  ): Promise<Result>
  /** Whether this replica still has a hold. Ask it right before a call to the LMS. */
  has(name: string): Promise<boolean>
  /** Whether the LMS may still carry out a call for a person that nobody waits for any more, whoever has the hold. */
  mayLand(name: string): Promise<boolean>
  /** Records, before a call that may undo what is done for these people afterwards, that it may be carried out late. */
  mayUndo(trx: Trx, names: readonly string[]): Promise<void>
  /**
   * Ends holds in a transaction. Resolves to those that were still this replica's, and whether each was left to nobody. Call
   * `ended` after the commit. `isLate`: the LMS may still carry out a call under them. Then they are left to nobody, and also
   * if that is so of an earlier call.
   */
  end(trx: Trx, names: readonly string[], of?: { readonly isLate: boolean }): Promise<ReadonlyMap<string, EndedHold>>
  /** Memory forgets these holds: they have ended, or the heartbeat is to end what the database still has of them. */
  ended(names: readonly string[]): void
  /**
   * Ends what nobody acts under: the holds of replicas that are gone, also of this one after it has left; those of this
   * one that memory doesn't know, because the database didn't confirm that they were taken or have ended; and nobody's,
   * after landsMs by this process's own clock. Resolves to how many.
   */
  sweep(): Promise<number>
}

/** A hold that has ended, or was left to nobody. */
export interface EndedHold {
  readonly isLeft: boolean
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
    take: async (names, body, { enrolls } = { enrolls: false }) => {
      const wanted = [...new Set(names)].filter((name) => !mine.has(name)).sort() // unsorted, two replicas deadlock on MySQL
      for (const name of wanted) mine.add(name)
      let kept: ReadonlySet<string> = new Set()
      const attempt = async (trx: Trx) => {
        const replica = me()
        const taken = await takeFree(trx, { names: wanted, replica, enrolls })
        const done = await body(trx, taken)
        await endOrLeave(trx, {
          dialect,
          names: [...taken].filter((name) => !done.kept.has(name)),
          replica,
          isLate: false,
        })
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

    has: async (name) => (await heldAmong(db, { names: [name], replica: me() })).length > 0,

    mayLand: (name) => isLate(db, name),

    mayUndo: async (trx, names) => {
      const holds = trx.updateTable('holds').set({ effect: 'undoes' })
      await holds.where('name', 'in', names).where('replica', '=', me()).execute()
    },

    end: (trx, names, { isLate } = { isLate: false }) => endOrLeave(trx, { dialect, names, replica: me(), isLate }),

    ended: (names) => {
      for (const name of names) mine.delete(name)
    },

    sweep: async () => {
      const rows = await readHolds(db, me())
      const left = rows.filter(
        (row) => row.replica !== NOBODY && (row.isGone || (row.replica === me() && !mine.has(row.name))),
      )
      for (const [replica, group] of Map.groupBy(left, (row) => row.replica)) {
        const names = group.map(({ name }) => name)
        const body = (trx: Trx) => endOrLeave(trx, { dialect, names, replica, isLate: true })
        await inTransaction({ database, random, body })
      }
      return left.length + (await endLate(db, { late, rows }))
    },
  }
}

async function isLate(db: Db, name: string): Promise<boolean> {
  const late = db.selectFrom('holds').select('name').where('name', '=', name).where('late_at', 'is not', null)
  return (await late.execute()).length > 0
}

/** The holds of this replica, those of replicas that are gone, and those under which a call may be carried out late. */
async function readHolds(db: Db, me: string) {
  const rows = await db
    .selectFrom('holds')
    .leftJoin('replicas', 'replicas.id', 'holds.replica')
    .select(['holds.name', 'holds.replica', 'holds.late_at', 'replicas.id'])
    .where((eb) =>
      eb.or([eb('replicas.id', 'is', null), eb('holds.replica', '=', me), eb('holds.late_at', 'is not', null)]),
    )
    .execute()
  return rows.map(({ id, ...row }) => ({ ...row, isGone: id === null }))
}

async function takeFree(
  trx: Trx,
  { names, replica, enrolls }: { names: readonly string[]; replica: string; enrolls: boolean },
): Promise<ReadonlySet<string>> {
  const member = await trx.selectFrom('replicas').select('id').where('id', '=', replica).executeTakeFirst()
  if (member === undefined) return new Set() // the others have pruned it
  const effect = enrolls ? ('enrolls' as const) : null
  const rows = names.map((name) => ({ name, replica, effect }))
  const inserted = await insertRows({ trx, into: 'holds', rows, existing: 'ignore' })
  if (inserted === names.length) return new Set(names)
  if (enrolls) {
    const left = trx.updateTable('holds').set({ replica }).where('name', 'in', names)
    await left.where('replica', '=', NOBODY).where('effect', '=', 'enrolls').execute()
  }
  return new Set((await heldAmong(trx, { names, replica })).map(({ name }) => name))
}

const heldAmong = (db: Db, { names, replica }: { names: readonly string[]; replica: string }) =>
  db
    .selectFrom('holds')
    .select(['name', 'effect', 'late_at'])
    .where('name', 'in', names)
    .where('replica', '=', replica)
    .execute()

/**
 * Ends the holds of a replica, but leaves those to nobody under which a call may still be carried out. Resolves to those
 * that it had: see Holds.end. A call that undoes something is none of these if it was answered.
 * @param of.isLate whether a call under them got no answer, as far as there was one
 */
async function endOrLeave(
  trx: Trx,
  of: Pick<Database, 'dialect'> & { names: readonly string[]; replica: string; isLate: boolean },
): Promise<ReadonlyMap<string, EndedHold>> {
  const { dialect, names, replica, isLate } = of
  if (names.length === 0) return new Map()
  const held = await heldAmong(trx, { names, replica })
  const { left = [], ended = [] } = Object.groupBy(held, (hold) =>
    (isLate ? hold.effect : hold.late_at) === null ? 'ended' : 'left',
  )
  const namesOf = (holds: typeof held): string[] => holds.map(({ name }) => name).sort() // unsorted, two replicas deadlock
  if (left.length > 0) {
    const { numUpdatedRows } = await trx
      .updateTable('holds')
      .set({ replica: NOBODY, ...(isLate ? { late_at: dialect.clock } : { effect: 'enrolls' }) })
      .where('name', 'in', namesOf(left))
      .where('replica', '=', replica)
      .executeTakeFirst()
    if (Number(numUpdatedRows) !== left.length) throw ROW_CHANGED
  }
  if (ended.length > 0) {
    const some = trx.deleteFrom('holds').where('name', 'in', namesOf(ended)).where('replica', '=', replica)
    if (Number((await some.executeTakeFirst()).numDeletedRows) !== ended.length) throw ROW_CHANGED
  }
  return new Map([...left.map(({ name }) => [name, LEFT] as const), ...ended.map(({ name }) => [name, FREE] as const)])
}

const [LEFT, FREE]: readonly [EndedHold, EndedHold] = [{ isLeft: true }, { isLeft: false }]

/** Ends nobody's holds that have been so for long enough, and were not left once more since they were read. Returns how many. */
async function endLate(
  db: Db,
  { late, rows }: { late: ReturnType<typeof createSilenceWatch>; rows: readonly Pick<HoldRow, 'name' | 'late_at'>[] },
): Promise<number> {
  const seen = rows.flatMap(({ name, late_at }) => (late_at === null ? [] : [{ id: name, seen_at: late_at }]))
  let ended = 0
  for (const [lateAt, group] of Map.groupBy(late.silent(seen), ({ seen_at }) => seen_at)) {
    const names = group.map(({ id }) => id).sort()
    const holds = db.deleteFrom('holds').where('name', 'in', names).where('replica', '=', NOBODY)
    ended += Number((await holds.where('late_at', '=', lateAt).executeTakeFirst()).numDeletedRows)
  }
  return ended
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
