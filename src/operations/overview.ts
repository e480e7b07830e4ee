import type { Kysely } from 'kysely'
import { dayOf } from '../counters/counters.ts'
import { timeToEnrollmentSummary } from '../counters/time-to-enrollment.ts'
import type { CounterRow, Tables } from '../database/schema.ts'
import { countBacklog } from '../reports/counts.ts'
import { type FailedWithdrawal, readFailedWithdrawals } from './failed-withdrawals.ts'

const DAYS = 30
const DAY_MS = 24 * 3_600_000
/** If more are queued, the oldest is looked for among this many entries of an index. */
const COUNT_MAX = 10_000

/** The counts of one UTC day, `YYYY-MM-DD`. They count events, so one delivery can be in several. */
export interface DayCounts {
  readonly day: string
  readonly received: number
  readonly repeated: number
  readonly enrolled: number
  readonly preEnrolled: number
  readonly claimed: number
  readonly rejected: number
  readonly needsAttention: number
  readonly retries: number
  /** Sales that came under the webhook-id of another one. */
  readonly idReused: number
}

export interface Overview {
  /** The last 30 UTC days, oldest first, without gaps; the last one is today. */
  readonly days: readonly DayCounts[]
  /** The time from arrival to the first success, over these days, in seconds; null without a success. */
  readonly secondsToEnrollment: { readonly median: number; readonly p95: number; readonly count: number } | null
  /** The queued delivery that was received first; null if there is none. */
  readonly oldestQueued: { readonly id: string; readonly receivedAt: number } | null
  /** The latest first; see readFailedWithdrawals. */
  readonly failedWithdrawals: readonly FailedWithdrawal[]
  /** How many replicas of this database are alive. */
  readonly replicas: number
}

/** Returns the figures of the console's overview, read from counters and the ends of indexes; see Operations.overview. */
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
  const days = Array.from({ length: DAYS }, (_, i) => dayOf(now - (DAYS - 1 - i) * DAY_MS))
  const counters = await db
    .selectFrom('counters')
    .selectAll()
    .where('day', '>=', days[0] ?? '')
    .where('day', '<=', days.at(-1) ?? '')
    .execute()
  const ofDay = Map.groupBy(counters, ({ day }) => day)
  return {
    days: days.map((day) => countsOf(day, ofDay.get(day) ?? [])),
    secondsToEnrollment: timeToEnrollmentSummary(counters),
    oldestQueued: await oldestQueued(db),
    failedWithdrawals: await readFailedWithdrawals({ db, now }),
    replicas,
  }
}

/** Returns the backlog for the metrics. The counts stop at 10,000; the time is null if no delivery is queued. */
export async function readBacklog(
  db: Kysely<Tables>,
): Promise<{ queued: number; preEnrolled: number; needsAttention: number; oldestReceivedAt: number | null }> {
  const { queued, pre_enrolled, needs_attention } = await countBacklog(db)
  const oldest = await oldestQueued(db)
  return {
    queued: queued.count,
    preEnrolled: pre_enrolled.count,
    needsAttention: needs_attention.count,
    oldestReceivedAt: oldest?.receivedAt ?? null,
  }
}

function countsOf(day: string, counters: readonly CounterRow[]): DayCounts {
  const count = (name: string): number => counters.find((one) => one.name === name)?.count ?? 0
  return {
    day,
    received: count('received'),
    repeated: count('repeated'),
    enrolled: count('enrolled'),
    preEnrolled: count('pre_enrolled'),
    claimed: count('claimed'),
    rejected: count('rejected'),
    needsAttention: count('needs_attention'),
    retries: count('retry_scheduled'),
    idReused: count('id_reused'),
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
