import type { Transaction } from 'kysely'
import type { IncidentRow, Tables } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../database/write-context.ts'

const MAX_CAUSE = 300
/** An incident that begins this soon after the last one of its kind is the same: a probe succeeded, the next call didn't. */
export const SAME_MS = 60_000
/** The replicas that have an incident open report it this often. Without a report for SAME_MS, it is over. */
export const HEARTBEAT_MS = 10_000

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

async function touch(
  trx: Transaction<Tables>,
  { kind, since, at }: { kind: IncidentKind; since: number; at: number },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('incidents')
    .set({ seen_at: at })
    .where('open_kind', '=', kind)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return false
  await trx
    .updateTable('incidents')
    .set({ started_at: since })
    .where('open_kind', '=', kind)
    .where('started_at', '>', since)
    .execute()
  return true
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

/** Deletes the incidents that ended before `before` (ms since 1970). There are few. */
export async function purgeIncidents({
  database: { db },
  before,
}: Pick<WriteContext, 'database'> & { before: number }): Promise<void> {
  await db.deleteFrom('incidents').where('started_at', '<', before).where('ended_at', '<', before).execute()
}
