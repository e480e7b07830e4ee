import type { Db, IncidentRow, Trx } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../queue/events.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'
import { type Page, waited } from '../find/filter.ts'
import { countsOf, totalOf } from '../reports/counts.ts'

const MAX_CAUSE = 300
/** An incident that begins this soon after the last one of its kind is the same: a probe succeeded, the next call didn't. */
const SAME_MS = 60_000
/** The replicas that have an incident open report it this often. Without a report for SAME_MS, it is over. */
const HEARTBEAT_MS = 10_000

type IncidentKind = IncidentRow['kind']

/** An incident as one replica sees it. `since` is in ms since 1970. */
export interface Seen {
  readonly kind: IncidentKind
  readonly cause: string
  readonly since: number
}

/**
 * Records that an incident has not ended, and returns since when it lasts, in ms since 1970. All replicas report it, and
 * it is one row: the first report makes it, or reopens the last one of its kind. Its cause is that of the last report,
 * because an operator who removed one cause needs the next one.
 */
export async function reportIncident({ database, random, now, newId }: WriteContext, seen: Seen): Promise<number> {
  const id = newId()
  const { kind, since } = seen
  const cause = seen.cause.slice(0, MAX_CAUSE)
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const at = now()
      const report = { kind, cause, since, at }
      const began = await touch(trx, report)
      if (began !== null) return began
      const last = await trx
        .selectFrom('incidents')
        .select('id')
        .where('kind', '=', kind)
        .where('ended_at', '>=', since - SAME_MS)
        .orderBy('started_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (last === undefined) {
        const row = { id, kind, open_kind: kind, cause, started_at: since, seen_at: at, ended_at: null }
        await trx.insertInto('incidents').ignore().values(row).execute() // another replica may make it at the same time
      } else {
        const reopened = { ended_at: null, open_kind: kind }
        await trx.updateTable('incidents').set(reopened).where('id', '=', last.id).execute()
      }
      return (await touch(trx, report)) ?? since
    },
  })
}

/** Returns since when the open incident of the kind lasts; null if none is open. */
async function touch(trx: Trx, { kind, cause, since, at }: Seen & { at: number }): Promise<number | null> {
  await trx
    .updateTable('incidents')
    .set(({ eb, ref }) => ({
      cause,
      seen_at: at,
      started_at: eb.case().when('started_at', '>', since).then(since).else(ref('started_at')).end(),
    }))
    .where('open_kind', '=', kind)
    .execute()
  const open = await trx.selectFrom('incidents').select('started_at').where('open_kind', '=', kind).executeTakeFirst()
  return open?.started_at ?? null
}

/** Ends the open incident of a kind. Another replica that still has it reopens it with its next report. */
export async function endIncident(
  { database: { db } }: Pick<WriteContext, 'database'>,
  { kind, at }: { kind: IncidentKind; at: number },
): Promise<void> {
  await db.updateTable('incidents').set({ ended_at: at, open_kind: null }).where('open_kind', '=', kind).execute()
}

/** Ends the incidents that no replica reports any more, at their last report: a replica died. */
export async function endSilent({ database: { db }, now }: Pick<WriteContext, 'database' | 'now'>): Promise<void> {
  await db
    .updateTable('incidents')
    .set((eb) => ({ ended_at: eb.ref('seen_at'), open_kind: null }))
    .where('open_kind', 'is not', null)
    .where('seen_at', '<', now() - SAME_MS)
    .execute()
}

/** How many of the latest incidents an outage can be. */
const OUTAGE_MAX = 20

/**
 * Returns since when the LMS is down or misconfigured, as the incidents of all replicas say, with the latest kind and cause;
 * null if it isn't. One outage is several incidents if its cause changed. `at`: ms since 1970.
 */
export async function readOutage(db: Db, at: number): Promise<Seen | null> {
  const rows = await db
    .selectFrom('incidents')
    .select(['kind', 'cause', 'started_at', 'ended_at'])
    .where('kind', 'in', ['down', 'misconfigured'])
    .orderBy('started_at', 'desc')
    .limit(OUTAGE_MAX)
    .execute()
  // One that ended just now may continue: a probe succeeded, but the next call may fail.
  const last = rows.find(({ ended_at }) => (ended_at ?? at) > at - SAME_MS)
  if (last === undefined) return null
  let since = last.started_at
  for (const { started_at, ended_at } of rows) {
    if (started_at < since && (ended_at ?? at) >= since - SAME_MS) since = started_at
  }
  return { kind: last.kind, cause: last.cause, since }
}

/** How often to look, in memory. An outage that is shorter may not be recorded. */
const LOOK_MS = 1000

/**
 * Watches what this replica sees of the LMS and of the database. An outage of the database is recorded when it is over.
 * @param of.lms what is wrong with the LMS now; null if nothing is
 * @param of.database why the database can't be used now; null if it can
 */
export function createIncidentWatch(of: {
  context: WriteContext
  lms: () => Seen | null
  database: () => string | null
}) {
  const { context, lms, database } = of
  const { now } = context
  let lost: Seen | null = null
  /** The open incident of the LMS, as all replicas have recorded it. */
  let open: Pick<Seen, 'kind' | 'since'> | null = null
  let writtenAt = Number.NEGATIVE_INFINITY

  /** Each step remembers what it has done, so that a failed write is repeated. */
  const write = async (seen: Seen | null): Promise<void> => {
    if (lost !== null) {
      await reportIncident(context, lost)
      await endIncident(context, { kind: 'database', at: now() })
      lost = null
    }
    if (open !== null && open.kind !== seen?.kind) {
      await endIncident(context, { kind: open.kind, at: now() })
      open = null
    }
    if (seen !== null) open = { kind: seen.kind, since: await reportIncident(context, seen) }
    await endSilent(context)
    writtenAt = now()
  }

  return {
    /** Returns what is to be written at this look; null: nothing. Call it again after a write that failed. */
    look: (): (() => Promise<void>) | null => {
      const reason = database()
      if (reason !== null) {
        lost ??= { kind: 'database', cause: reason, since: now() }
        return null
      }
      const seen = lms()
      const hasChanged = lost !== null || open?.kind !== seen?.kind
      return hasChanged || now() - writtenAt >= HEARTBEAT_MS ? () => write(seen) : null
    },
    /**
     * Since when the LMS has been away: this replica may have been started since then, or its circuit breaker may have closed
     * for a moment. `since`: as this replica sees it.
     */
    since: ({ kind, since }: Pick<Seen, 'kind' | 'since'>): number =>
      open?.kind === kind ? Math.min(open.since, since) : since,
  }
}

/**
 * Records the incidents that this replica sees, until the signal is aborted. It looks each second, and writes when an
 * incident begins or ends, and every 10 s in between.
 */
export function runIncidents(
  of: Background & { incidents: Pick<ReturnType<typeof createIncidentWatch>, 'look'> },
): Promise<void> {
  const round = async (): Promise<number> => {
    const write = of.incidents.look()
    if (write !== null) await of.guard(write)
    return LOOK_MS
  }
  return runBackgroundLoop({ ...of, round, againMs: LOOK_MS })
}

const PAGE = 20
const BANDS_MAX = 200

/** A time in which the LMS or the database was away: see IncidentRow. */
const BAND = ['id', 'kind', 'cause', 'started_at as from', 'ended_at as to'] as const
export type Band = Awaited<ReturnType<typeof incidentsBetween>>[number]
export type Incident = Band & WaitedSales

/** Lists incidents, the latest first: 20 before `after`, the `next` of the page before. `now` is in ms since 1970. */
export async function listIncidents(
  db: Db,
  { now, after = null }: { now: number; after?: string | null },
): Promise<Page<Incident>> {
  const last =
    after === null
      ? undefined
      : await db.selectFrom('incidents').select(['started_at', 'id']).where('id', '=', after).executeTakeFirst()
  let query = db.selectFrom('incidents').select(BAND)
  if (last !== undefined) {
    query = query
      .where('started_at', '<=', last.started_at)
      .where((eb) => eb.or([eb('started_at', '<', last.started_at), eb('id', '<', last.id)]))
  }
  const rows = await query
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(PAGE + 1)
    .execute()
  const items: Incident[] = []
  for (const row of rows.slice(0, PAGE))
    items.push({ ...row, ...(await waitedSales(db, { from: row.from, to: row.to ?? now })) })
  return { items, next: rows.length > PAGE ? (items.at(-1)?.id ?? null) : null }
}

/** Returns the incidents that overlap the time between two times (ms since 1970), the latest 200, oldest first. */
export async function incidentsBetween(db: Db, { from, to }: { from: number; to: number }) {
  const rows = await db
    .selectFrom('incidents')
    .select(BAND)
    .where('started_at', '<', to)
    .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', from)]))
    .orderBy('started_at', 'desc')
    .limit(BANDS_MAX)
    .execute()
  return rows.reverse()
}

/**
 * Counts the sales that waited between two times (ms since 1970), by what they are now: see waited in filter.ts. Tells when
 * the last of them was enrolled or pre-enrolled; null if none was.
 */
export async function waitedSales(db: Db, span: { from: number; to: number }) {
  const rows = await db
    .selectFrom('deliveries')
    .select(({ fn }) => ['state', fn.countAll<number>().as('count'), fn.max('done_at').as('last')])
    .where((eb) => waited(eb, span))
    .groupBy('state')
    .execute()
  const last = rows.flatMap((row) => row.last ?? [])
  const counts = countsOf(rows)
  return {
    sales: totalOf(counts),
    counts,
    lastEnrolledAt: last.length === 0 ? null : Math.max(...last),
  }
}
export type WaitedSales = Awaited<ReturnType<typeof waitedSales>>
