import type { Availability } from '../database/availability.ts'
import type { Database } from '../database/dialect.ts'
import { inTransaction } from '../database/transaction.ts'
import type { Arrival, Delivery, DeliveryEvent, Progress } from '../delivery/types.ts'
import type { Replicas } from '../replicas/replicas.ts'
import { accept } from './accept.ts'
import { beginAttempt, releaseStopped, stillWaiting } from './attempt.ts'
import { createClaimOrphans } from './claim-orphans.ts'
import { areStored, type Change, insertEvents } from './events.ts'
import { readDue } from './read-claimed.ts'
import { toProgress } from './rows.ts'
import { type Settling, settle } from './settle.ts'

export type Write = { readonly kind: 'accept'; readonly arrival: Arrival } | ({ readonly kind: 'settle' } & Settling)

export interface Written extends Pick<Change, 'id' | 'progress' | 'owner'> {
  readonly events: readonly DeliveryEvent[]
}

/** A place in the list of due rows: oldest first, then by id. */
export interface DueRow {
  readonly id: string
  readonly email: string | null
  readonly dueAt: number
}

/**
 * The statements that the inbox needs, the same text for SQLite and MySQL. This replica works on the rows that it owns
 * and settles no others.
 */
export function createStore({
  database,
  replicas,
  now,
  newId,
  random,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin' | 'liveCount'>
  now: () => number
  newId: () => string
  random: () => number
}) {
  const { db } = database

  /** null: this replica was given up for dead, and nothing is stored. */
  const writeAs = (writes: readonly Write[]): Promise<Written[] | null> =>
    inTransaction({
      database,
      random,
      body: async (trx) => {
        const me = await replicas.beat(trx)
        if (me === null) return null
        const writing = { trx, at: now(), me, newId }
        const settled = await settle(
          writing,
          writes.filter((one) => one.kind === 'settle'),
        )
        const accepted = await accept(
          writing,
          writes.flatMap((one) => (one.kind === 'accept' ? [one.arrival] : [])),
        )
        const changes = [...settled, ...accepted]
        const events = await insertEvents(
          writing,
          changes.flatMap(({ happened }) => happened),
        )
        const written = changes.map(({ happened, ...change }) => ({
          ...change,
          events: events.splice(0, happened.length),
        }))
        const results = { settle: written.splice(0, settled.length), accept: written }
        return writes.map(({ kind }) => {
          const result = results[kind].shift()
          if (result === undefined) throw new Error('a write gave no result')
          return result
        })
      },
      isStored: async (trx, written) =>
        areStored(
          trx,
          (written ?? []).flatMap(({ events }) => events),
        ),
    })

  const write = async (writes: readonly Write[]): Promise<Written[]> => {
    const me = replicas.me()
    const written = await writeAs(writes)
    if (written !== null) return written
    await replicas.rejoin(me)
    return write(writes)
  }

  return {
    /** This replica's name. */
    me: replicas.me,

    /**
     * One transaction for all of them. Settlements come first: a repeat that arrives together with the end of the work
     * on its row is worked on again. Results are in the order of `writes`; nothing is stored if it throws.
     */
    write,

    /** Due rows of this replica, oldest first, from the index alone; `after` goes on behind a row, `among` are ids. */
    due: async ({
      limit,
      after = null,
      among,
    }: {
      limit: number
      after?: DueRow | null
      among?: readonly string[]
    }): Promise<DueRow[]> => {
      if (among?.length === 0) return []
      let query = db
        .selectFrom('deliveries')
        .select(['id', 'email', 'due_at'])
        .where('owner', '=', replicas.me())
        .where('state', '=', 'waiting')
        .where('due_at', '<=', now())
      if (among !== undefined) query = query.where('id', 'in', among)
      if (after !== null) {
        query = query
          .where('due_at', '>=', after.dueAt)
          .where((eb) => eb.or([eb('due_at', '>', after.dueAt), eb('id', '>', after.id)]))
      }
      const rows = await query.orderBy('due_at').orderBy('id').limit(limit).execute()
      return rows.map((row) => ({ id: row.id, email: row.email, dueAt: row.due_at ?? 0 }))
    },

    /**
     * The whole rows, in the order of `ids`; one that is no longer ours or no longer due is left out. So is one that
     * can't be read: it is set aside, and holds up no other.
     */
    waiting: (ids: readonly string[]) => readDue({ database, now, newId, random, me: replicas.me(), ids }),

    /**
     * Notes that an attempt begins, before its first call to the LMS: from then on its effect is unknown until it is
     * settled. Gives the deliveries whose attempt may begin: still ours, still waiting, and not asked for again since
     * they were read.
     */
    beginAttempt: (attempts: readonly Pick<Delivery, 'id' | 'generation'>[]): Promise<Set<string>> =>
      inTransaction({
        database,
        random,
        body: async (trx) => beginAttempt({ trx, me: await replicas.beat(trx), attempts }),
        isStored: async () => false, // it may be written twice
      }),

    /** Gives back the deliveries that an operator has stopped, but those `inCall`: no call of theirs is under way. */
    releaseStopped: (inCall: ReadonlySet<string>): Promise<void> => releaseStopped({ db, me: replicas.me(), inCall }),

    /** Which of these rows are still ours and still wait: an operator may have handled or erased one meanwhile. */
    stillWaiting: (ids: readonly string[]): Promise<Set<string>> => stillWaiting({ db, me: replicas.me(), ids }),

    /** How far deliveries are, also those of other replicas. */
    progress: async (ids: readonly string[]): Promise<{ id: string; progress: Progress }[]> => {
      const rows = await db
        .selectFrom('deliveries')
        .select(['id', 'state', 'due_at', 'outcome', 'generation'])
        .where('id', 'in', ids)
        .execute()
      return rows.map((row) => ({ id: row.id, progress: toProgress(row) }))
    },

    /** See createClaimOrphans. */
    adopt: createClaimOrphans({ database, replicas, now, random }),

    /** Brings the next tries of this replica's rows forward by `ms`, after its clock was set back by as much. */
    hasten: async (ms: number): Promise<void> => {
      await db
        .updateTable('deliveries')
        .set((eb) => ({ due_at: eb('due_at', '-', ms) }))
        .where('owner', '=', replicas.me())
        .where('state', '=', 'waiting')
        .where('due_at', '>', now())
        .execute()
    },

    /**
     * Corrects the times of this replica's next tries that were written while the clock was ahead of what it is now. A
     * row that was last changed in the future says by how much; none may be further ahead than `longestWaitMs`.
     */
    bringForward: async (longestWaitMs: number): Promise<void> => {
      const at = now()
      const mine = db.updateTable('deliveries').where('owner', '=', replicas.me()).where('state', '=', 'waiting')
      await mine
        .set((eb) => ({ due_at: eb('due_at', '-', eb.parens('active_at', '-', at)) }))
        .where('due_at', '>', at)
        .where('active_at', '>', at)
        .execute()
      await mine
        .set({ due_at: at })
        .where('due_at', '>', at + longestWaitMs)
        .execute()
    },

    /** When a delivery last came, was worked on or was settled (ms since 1970); null if there is none. */
    lastActivityAt: async (): Promise<number | null> => {
      const last = await db.selectFrom('deliveries').select('active_at').orderBy('active_at', 'desc').limit(1).execute()
      return last[0]?.active_at ?? null
    },

    /** What a dead process left unfinished is ours from now on. Only while nobody else can serve this database. */
    takeOver: async (): Promise<number> => {
      const me = replicas.me()
      const taken = await db
        .updateTable('deliveries')
        .set({ owner: me })
        .where('state', '=', 'waiting')
        .where((eb) => eb.or([eb('owner', '!=', me), eb('owner', 'is', null)]))
        .executeTakeFirst()
      await db.updateTable('deliveries').set({ owner: null }).where('state', '=', 'handled').execute()
      return Number(taken.numUpdatedRows)
    },
  }
}
export type Store = ReturnType<typeof createStore>

/** The same store, which fails at once while the database is known to be away. */
export function guardStore(store: Store, { guard }: Availability): Store {
  return {
    me: store.me,
    write: (writes) => guard(() => store.write(writes)),
    due: (page) => guard(() => store.due(page)),
    waiting: (ids) => guard(() => store.waiting(ids)),
    stillWaiting: (ids) => guard(() => store.stillWaiting(ids)),
    beginAttempt: (attempts) => guard(() => store.beginAttempt(attempts)),
    releaseStopped: (inCall) => guard(() => store.releaseStopped(inCall)),
    progress: (ids) => guard(() => store.progress(ids)),
    adopt: (limit) => guard(() => store.adopt(limit)),
    hasten: (ms) => guard(() => store.hasten(ms)),
    lastActivityAt: () => guard(store.lastActivityAt),
    takeOver: store.takeOver,
    bringForward: store.bringForward,
  }
}
