import type { Db } from '../database/schema.ts'
import { wantedAmong } from '../sale/line.ts'
import type { Delivery, Progress, Reason } from '../sale/types.ts'
import { reasonText } from '../sale/words.ts'
import { auditedChange, type EventDraft, type WriteContext } from './events.ts'
import { withLines } from './lines.ts'
import { isFreeToEnroll } from './replicas/holds.ts'
import { isDue, LONGEST_WAIT_MS } from './retry-schedule.ts'
import { PROGRESS_COLUMNS, personOf, reasonColumns, toDelivery, toProgress, unreadable, withWithdrawn } from './rows.ts'

/** A position in the list of due rows, which is sorted by age, then by id. `person`: see personOf. */
export interface DueRow {
  readonly id: string
  readonly person: string
  readonly dueAt: number
}

/**
 * Which due rows to list: at most `limit` of those that have been due for `forMs`; only those that follow `after`, or only
 * those with an id in `among`.
 */
export interface DueQuery {
  readonly forMs?: number
  readonly limit: number
  readonly after?: DueRow | null
  readonly among?: readonly string[]
}

/**
 * The due rows, oldest first, without those of people for whom some replica acts just now. `now`: ms since 1970. The two
 * ranges of isDue are read one after the other, because a database would read all that lies between them.
 */
export async function dueRows(query: DueQuery & { db: Db; now: number }): Promise<DueRow[]> {
  const { now, limit, forMs = 0 } = query
  const due = await dueRange(query, { until: now - forMs })
  if (due.length === limit) return due
  return [...due, ...(await dueRange({ ...query, limit: limit - due.length }, { later: now + LONGEST_WAIT_MS }))]
}

async function dueRange(
  { db, limit, after = null, among }: DueQuery & { db: Db },
  { until, later }: { until?: number; later?: number },
): Promise<DueRow[]> {
  if (among?.length === 0) return []
  let query = db
    .selectFrom('deliveries')
    .leftJoin('holds', 'holds.name', 'deliveries.email')
    .select(['id', 'email', 'due_at'])
    .where('state', '=', 'queued')
    .where(isFreeToEnroll)
  if (until !== undefined) query = query.where('due_at', '<=', until)
  if (later !== undefined) query = query.where('due_at', '>', later)
  if (among !== undefined) query = query.where('id', 'in', among)
  if (after !== null) {
    query = query
      .where('due_at', '>=', after.dueAt)
      .where((eb) => eb.or([eb('due_at', '>', after.dueAt), eb('id', '>', after.id)]))
  }
  const rows = await query.orderBy('due_at').orderBy('id').limit(limit).execute()
  return rows.map((row) => ({ id: row.id, person: personOf(row), dueAt: row.due_at ?? 0 }))
}

/**
 * The full rows, in the order of `ids`, without those that are no longer due. A row that can't be read leaves the queue and
 * needs attention, so that it delays no other.
 */
export async function readClaimed({ ids, ...context }: WriteContext & { ids: readonly string[] }): Promise<Delivery[]> {
  if (ids.length === 0) return []
  const rows = await context.database.db
    .selectFrom('deliveries')
    .selectAll()
    .where('id', 'in', ids)
    .where('state', '=', 'queued')
    .where(isDue('due_at', context.now()))
    .execute()
  const byId = new Map<string, Delivery>()
  const reasons = new Map<string, Reason>()
  for (const row of await withLines(context.database.db, rows)) {
    try {
      if (row.request === null) reasons.set(row.id, NO_REQUEST)
      else byId.set(row.id, withoutUnwanted(toDelivery(row)))
    } catch (error) {
      reasons.set(row.id, unreadable(error))
    }
  }
  if (reasons.size > 0) await removeUnreadable(context, reasons)
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** A delivery without the courses that its buyer is taken out of while it goes on: see continueWithout. */
function withoutUnwanted(delivery: Delivery): Delivery {
  const { request, lines } = delivery
  if (request === null) return delivery
  return { ...delivery, request: { ...request, courseIds: wantedAmong(request.courseIds, lines) } }
}

const NO_REQUEST: Reason = { code: 'row.unreadable', subject: 'it holds no request' }

async function removeUnreadable(context: WriteContext, reasons: ReadonlyMap<string, Reason>): Promise<void> {
  await auditedChange(context, async ({ trx, at }) => {
    const others: EventDraft[] = []
    for (const [id, reason] of [...reasons].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { numUpdatedRows } = await trx
        .updateTable('deliveries')
        .set({ state: 'needs_attention', ...reasonColumns(reason), due_at: null, settled_at: at, active_at: at })
        .where('id', '=', id)
        .where('state', '=', 'queued')
        .executeTakeFirst()
      if (numUpdatedRows === 0n) continue
      others.push({ deliveryId: id, kind: 'needs_attention', detail: reasonText(reason) })
    }
    return { result: null, listed: [], others }
  })
}

/**
 * Corrects times that were written while the clock was ahead: a queued delivery that was last changed in the future shows by
 * how much. Resolves to how many deliveries are queued. Call it while no other process can use this database. `now`: ms
 * since 1970.
 */
export async function recover(db: Db, now: number): Promise<number> {
  await db
    .updateTable('deliveries')
    .set((eb) => ({ due_at: eb('due_at', '-', eb.parens('active_at', '-', now)) }))
    .where('state', '=', 'queued')
    .where('due_at', '>', now)
    .where('active_at', '>', now)
    .execute()
  const { queued } = await db
    .selectFrom('deliveries')
    .select((eb) => eb.fn.countAll<number>().as('queued'))
    .where('state', '=', 'queued')
    .executeTakeFirstOrThrow()
  return Number(queued)
}

/** The progress of deliveries, including those of other replicas. */
export async function progressOf({
  db,
  ids,
}: {
  db: Db
  ids: readonly string[]
}): Promise<ReadonlyMap<string, Progress>> {
  const rows = await db
    .selectFrom('deliveries')
    .select(['id', ...PROGRESS_COLUMNS])
    .where('id', 'in', ids)
    .execute()
  const sales = await withLines(db, rows)
  return new Map(sales.map((row) => [row.id, withWithdrawn(toProgress(row), row.lines)]))
}
