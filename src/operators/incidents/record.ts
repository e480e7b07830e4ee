import type { Transaction } from 'kysely'
import type { IncidentRow, Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'

const MAX_CAUSE = 300
/** An incident that begins this soon after the last one of its kind is the same: a probe succeeded, the next call didn't. */
export const SAME_MS = 60_000
/** The replicas that have an incident open report it this often. Without a report for SAME_MS, it is over. */
const HEARTBEAT_MS = 10_000

export type IncidentKind = IncidentRow['kind']

/** An incident as one replica sees it. `since` is in ms since 1970. */
export interface Seen {
  readonly kind: IncidentKind
  readonly cause: string
  readonly since: number
}

/**
 * Records that an incident has not ended. All replicas report it, and it is one row: the first report makes it, or
 * reopens the last one of its kind.
 */
export async function reportIncident(
  { database, random, now, newId }: WriteContext,
  { kind, cause, since }: Seen,
): Promise<void> {
  const id = newId()
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      const at = now()
      if (await touch(trx, { kind, since, at })) return
      const last = await trx
        .selectFrom('incidents')
        .select('id')
        .where('kind', '=', kind)
        .where('ended_at', '>=', since - SAME_MS)
        .orderBy('started_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (last !== undefined) {
        const reopened = { ended_at: null, open_kind: kind, seen_at: at }
        await trx.updateTable('incidents').set(reopened).where('id', '=', last.id).execute()
        return
      }
      const row = { id, kind, open_kind: kind, cause: cause.slice(0, MAX_CAUSE), started_at: since, seen_at: at }
      await trx
        .insertInto('incidents')
        .ignore()
        .values({ ...row, ended_at: null })
        .execute()
      await touch(trx, { kind, since, at }) // another replica may have made it at the same time
    },
  })
}

/** Returns false if no incident of the kind is open. */
async function touch(
  trx: Transaction<Tables>,
  { kind, since, at }: { kind: IncidentKind; since: number; at: number },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('incidents')
    .set(({ eb, ref }) => ({
      seen_at: at,
      started_at: eb.case().when('started_at', '>', since).then(since).else(ref('started_at')).end(),
    }))
    .where('open_kind', '=', kind)
    .executeTakeFirst()
  return numUpdatedRows > 0n
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

/** How often to look, in memory. An outage that is shorter may not be recorded. */
const LOOK_MS = 1000

interface Watched {
  readonly context: WriteContext
  /** What is wrong with the LMS now; null if nothing is. */
  readonly lms: () => Seen | null
  /** Why the database can't be used now; null if it can. */
  readonly database: () => string | null
}

/**
 * Records the incidents that this replica sees, until the signal is aborted. It looks at the circuit breaker and at the
 * database each second, and writes when an incident begins or ends, and every 10 s in between. An outage of the
 * database is recorded when it is over.
 */
export function watchIncidents({ guard, ...parts }: Watched & Background): Promise<void> {
  const look = createLook(parts)
  const round = async (): Promise<number> => {
    const write = look()
    if (write !== null) await guard(write)
    return LOOK_MS
  }
  return runBackgroundLoop({ ...parts, round, againMs: LOOK_MS })
}

/** Returns what is to be written at each look; null: nothing. Call it again after a write that failed. */
export function createLook({ context, lms, database }: Watched): () => (() => Promise<void>) | null {
  const { now } = context
  let lost: Seen | null = null
  let open: Seen | null = null
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
    if (seen !== null) await reportIncident(context, seen)
    open = seen
    await endSilent(context)
    writtenAt = now()
  }

  return () => {
    const reason = database()
    if (reason !== null) {
      lost ??= { kind: 'database', cause: reason, since: now() }
      return null
    }
    const seen = lms()
    const hasChanged = lost !== null || open?.kind !== seen?.kind
    return hasChanged || now() - writtenAt >= HEARTBEAT_MS ? () => write(seen) : null
  }
}
