import type { ExpressionBuilder, Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { inTransaction, type WriteContext } from '../database/transaction.ts'
import type { Delivery, DeliveryEvent, Progress, Reason } from '../sale/types.ts'
import { reasonText } from '../sale/words.ts'
import { areStored, type EventDraft, insertEvents } from './events.ts'
import { LONGEST_WAIT_MS } from './retry-schedule.ts'
import { outcomeColumns, toDelivery, toProgress, unreadable } from './rows.ts'

/** A position in the list of due rows, which is sorted by age, then by id. */
export interface DueRow {
  readonly id: string
  readonly email: string | null
  readonly dueAt: number
}

/** Which due rows to list: at most `limit`, only those that follow `after`, or only those with an id in `among`. */
export interface DueQuery {
  readonly limit: number
  readonly after?: DueRow | null
  readonly among?: readonly string[]
}

/**
 * The condition that a delivery is due. A time further ahead than the longest wait was written by a clock that was ahead,
 * and has been set back since. `now`: ms since 1970.
 */
export const isDue = (eb: ExpressionBuilder<Tables, 'deliveries'>, now: number) =>
  eb.or([eb('due_at', '<=', now), eb('due_at', '>', now + LONGEST_WAIT_MS)])

/**
 * The due rows of `owner`, oldest first, from the index alone. `now`: ms since 1970. The two ranges of isDue are read one
 * after the other, because a database would read all that lies between them.
 */
export async function dueRows(query: DueQuery & { db: Kysely<Tables>; owner: string; now: number }): Promise<DueRow[]> {
  const { now, limit } = query
  const due = await dueRange(query, { until: now })
  if (due.length === limit) return due
  return [...due, ...(await dueRange({ ...query, limit: limit - due.length }, { later: now + LONGEST_WAIT_MS }))]
}

async function dueRange(
  { db, owner, limit, after = null, among }: DueQuery & { db: Kysely<Tables>; owner: string },
  { until, later }: { until?: number; later?: number },
): Promise<DueRow[]> {
  if (among?.length === 0) return []
  let query = db
    .selectFrom('deliveries')
    .select(['id', 'email', 'due_at'])
    .where('owner', '=', owner)
    .where('state', '=', 'queued')
  if (until !== undefined) query = query.where('due_at', '<=', until)
  if (later !== undefined) query = query.where('due_at', '>', later)
  if (among !== undefined) query = query.where('id', 'in', among)
  if (after !== null) {
    query = query
      .where('due_at', '>=', after.dueAt)
      .where((eb) => eb.or([eb('due_at', '>', after.dueAt), eb('id', '>', after.id)]))
  }
  const rows = await query.orderBy('due_at').orderBy('id').limit(limit).execute()
  return rows.map((row) => ({ id: row.id, email: row.email, dueAt: row.due_at ?? 0 }))
}

/** `me`: this replica's name. */
interface ReplicaContext extends WriteContext {
  readonly me: string
}

/**
 * The full rows, in the order of `ids`, without those that are no longer due or no longer belong to `me`. A row that
 * can't be read leaves the queue and needs attention, so that it delays no other; `events` record that.
 */
export async function readClaimed({
  ids,
  ...context
}: ReplicaContext & { ids: readonly string[] }): Promise<{ deliveries: Delivery[]; events: DeliveryEvent[] }> {
  if (ids.length === 0) return { deliveries: [], events: [] }
  const rows = await context.database.db
    .selectFrom('deliveries')
    .selectAll()
    .where('id', 'in', ids)
    .where('owner', '=', context.me)
    .where('state', '=', 'queued')
    .where((eb) => isDue(eb, context.now()))
    .execute()
  const byId = new Map<string, Delivery>()
  const reasons = new Map<string, Reason>()
  for (const row of rows) {
    try {
      if (row.request === null) reasons.set(row.id, NO_REQUEST)
      else byId.set(row.id, toDelivery(row))
    } catch (error) {
      reasons.set(row.id, unreadable(error))
    }
  }
  const events = reasons.size === 0 ? [] : await removeUnreadable(context, reasons)
  return { deliveries: ids.flatMap((id) => byId.get(id) ?? []), events }
}

const NO_REQUEST: Reason = { code: 'row.unreadable', subject: 'it holds no request' }

async function removeUnreadable(
  { database, now, newId, random, hasOutbox, me }: ReplicaContext,
  reasons: ReadonlyMap<string, Reason>,
): Promise<DeliveryEvent[]> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const at = now()
      const drafts: EventDraft[] = []
      for (const [id, reason] of [...reasons].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const outcome = outcomeColumns({ courses: {}, reason })
        const { numUpdatedRows } = await trx
          .updateTable('deliveries')
          .set({ state: 'needs_attention', ...outcome, due_at: null, owner: null, settled_at: at, active_at: at })
          .where('id', '=', id)
          .where('owner', '=', me)
          .where('state', '=', 'queued')
          .executeTakeFirst()
        if (numUpdatedRows === 0n) continue
        drafts.push({ deliveryId: id, kind: 'needs_attention', detail: reasonText(reason) })
      }
      return insertEvents({ trx, at, newId, hasOutbox }, drafts)
    },
    isStored: areStored,
  })
}

/** The progress of deliveries, including those of other replicas. */
export async function progressOf({
  db,
  ids,
}: {
  db: Kysely<Tables>
  ids: readonly string[]
}): Promise<{ id: string; progress: Progress }[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select(['id', 'state', 'due_at', 'outcome', 'generation'])
    .where('id', 'in', ids)
    .execute()
  return rows.map((row) => ({ id: row.id, progress: toProgress(row) }))
}

/** When a delivery was last received, attempted or settled (ms since 1970); null if there is none. */
export async function lastActivityAt(db: Kysely<Tables>): Promise<number | null> {
  const last = await db.selectFrom('deliveries').select('active_at').orderBy('active_at', 'desc').limit(1).execute()
  return last[0]?.active_at ?? null
}
