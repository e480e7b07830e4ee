import type { Kysely } from 'kysely'
import { type Accepted, accept } from './accept.ts'
import { toDelivery } from './rows.ts'
import type { Tables } from './schema.ts'
import { type Settled, settle } from './settle.ts'
import type { Arrival, Delivery, Settlement } from './types.ts'

export type Write =
  | { readonly kind: 'accept'; readonly arrival: Arrival }
  | { readonly kind: 'settle'; readonly settlement: Settlement }

export type Written = Accepted | Settled

/** A place in the list of due rows: oldest first, then by id. */
export interface DueRow {
  readonly id: string
  readonly email: string | null
  readonly dueAt: number
}

/**
 * The statements that the inbox needs, the same text for SQLite and MySQL. `me` names this replica: it works on the
 * rows that it owns and settles no others.
 */
export function createStore({
  db,
  me,
  now,
  newId,
}: {
  db: Kysely<Tables>
  me: string
  now: () => number
  newId: () => string
}) {
  return {
    /**
     * One transaction for all of them. Settlements come first: a repeat that arrives together with the end of the work
     * on its row is worked on again. Results are in the order of `writes`; nothing is stored if it throws.
     */
    write: (writes: readonly Write[]): Promise<Written[]> =>
      db.transaction().execute(async (trx) => {
        const writing = { trx, at: now(), me, newId }
        const settlements = writes.flatMap((one) => (one.kind === 'settle' ? [one.settlement] : []))
        const arrivals = writes.flatMap((one) => (one.kind === 'accept' ? [one.arrival] : []))
        const settled = await settle(writing, settlements)
        const accepted = await accept(writing, arrivals)
        return writes.map(({ kind }) => {
          const written = kind === 'settle' ? settled.shift() : accepted.shift()
          if (written === undefined) throw new Error('a write gave no result')
          return written
        })
      }),

    /** Due rows of this replica, oldest first, from the index alone; `after` goes on behind a row. */
    due: async ({ limit, after }: { limit: number; after: DueRow | null }): Promise<DueRow[]> => {
      let query = db
        .selectFrom('deliveries')
        .select(['id', 'email', 'due_at'])
        .where('owner', '=', me)
        .where('state', '=', 'waiting')
        .where('due_at', '<=', now())
      if (after !== null) {
        query = query
          .where('due_at', '>=', after.dueAt)
          .where((eb) => eb.or([eb('due_at', '>', after.dueAt), eb('id', '>', after.id)]))
      }
      const rows = await query.orderBy('due_at').orderBy('id').limit(limit).execute()
      return rows.map((row) => ({ id: row.id, email: row.email, dueAt: row.due_at ?? 0 }))
    },

    /** The whole rows, in the order of `ids`; one that is no longer ours or no longer due is left out. */
    waiting: async (ids: readonly string[]): Promise<Delivery[]> => {
      if (ids.length === 0) return []
      const rows = await db
        .selectFrom('deliveries')
        .selectAll()
        .where('id', 'in', ids)
        .where('owner', '=', me)
        .where('state', '=', 'waiting')
        .where('due_at', '<=', now())
        .execute()
      const byId = new Map(rows.map((row) => [row.id, toDelivery(row)]))
      return ids.flatMap((id) => byId.get(id) ?? [])
    },

    /** What a dead process left unfinished is ours from now on. Only while nobody else can serve this database. */
    takeOver: async (): Promise<number> => {
      const taken = await db
        .updateTable('deliveries')
        .set({ owner: me })
        .where('state', '=', 'waiting')
        .where((eb) => eb.or([eb('owner', '!=', me), eb('owner', 'is', null)]))
        .executeTakeFirst()
      return Number(taken.numUpdatedRows)
    },
  }
}
export type Store = ReturnType<typeof createStore>
