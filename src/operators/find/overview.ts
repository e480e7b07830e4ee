import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { type FailedWithdrawal, readFailedWithdrawals } from '../../queue/withdrawal-row.ts'
import { countBacklog } from '../reports/counts.ts'

/** The time to enrollment is that of the latest 1,000 sales, as far as they were received in this time. */
const PACED = 1000
const PACED_MS = 24 * 3_600_000
/** If more are queued, the oldest is looked for among this many entries of an index. */
const COUNT_MAX = 10_000

export interface Overview {
  /**
   * From receiving to the first success, in ms, for the latest 1,000 sales of the last 24 hours; null if none of them was
   * enrolled.
   */
  readonly pace: { readonly median: number; readonly p95: number } | null
  /** The queued delivery that was received first; null if there is none. */
  readonly oldestQueued: { readonly id: string; readonly receivedAt: number } | null
  /** The latest first; see readFailedWithdrawals. */
  readonly failedWithdrawals: readonly FailedWithdrawal[]
  /** How many replicas of this database are alive. */
  readonly replicas: number
}

/** Returns the figures of the console's overview; see Operations.overview. */
export async function overview({
  db,
  now,
  replicas,
}: {
  db: Kysely<Tables>
  /** ms since 1970. */
  now: number
  /** How many replicas are alive. */
  replicas: number
}): Promise<Overview> {
  return {
    pace: await paceOf(db, now - PACED_MS),
    oldestQueued: await oldestQueued(db),
    failedWithdrawals: await readFailedWithdrawals({ db, now }),
    replicas,
  }
}

async function paceOf(db: Kysely<Tables>, since: number): Promise<Overview['pace']> {
  const latest = await db
    .selectFrom('deliveries')
    .select(['received_at', 'enrolled_at'])
    .where('received_at', '>=', since)
    .orderBy('received_at', 'desc')
    .limit(PACED)
    .execute()
  const times = latest
    .flatMap(({ received_at, enrolled_at }) => (enrolled_at === null ? [] : [Math.max(0, enrolled_at - received_at)]))
    .sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)] ?? 0
  return times.length === 0 ? null : { median: at(0.5), p95: at(0.95) }
}

/** Returns the backlog for the metrics. The time is null if no delivery is queued. */
export async function readBacklog(
  db: Kysely<Tables>,
): Promise<{ queued: number; preEnrolled: number; needsAttention: number; oldestReceivedAt: number | null }> {
  const { queued, pre_enrolled, needs_attention } = await countBacklog(db)
  const oldest = await oldestQueued(db)
  return {
    queued,
    preEnrolled: pre_enrolled,
    needsAttention: needs_attention,
    oldestReceivedAt: oldest?.receivedAt ?? null,
  }
}

/**
 * Ids sort by the time of arrival. If more than 10,000 deliveries are queued, it reads those with the oldest activity.
 */
async function oldestQueued(db: Kysely<Tables>): Promise<Overview['oldestQueued']> {
  const { id } = await db
    .selectFrom(
      db
        .selectFrom('deliveries')
        .select('id')
        .where('state', '=', 'queued')
        .orderBy('active_at')
        .limit(COUNT_MAX)
        .as('some'),
    )
    .select(({ fn }) => fn.min<string | null>('id').as('id'))
    .executeTakeFirstOrThrow()
  if (id === null) return null
  const row = await db.selectFrom('deliveries').select('received_at').where('id', '=', id).executeTakeFirst()
  return row === undefined ? null : { id, receivedAt: row.received_at }
}
