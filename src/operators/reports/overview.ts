import type { Db } from '../../database/schema.ts'
import { REASON_COLUMNS, readReason, UNSOLVED } from '../../queue/rows.ts'
import { idTime } from '../../sale/ids.ts'
import { courseOfReason, type ReasonCode } from '../../sale/types.ts'
import { countBacklog } from './counts.ts'
import { countFailedWithdrawals, readFailedWithdrawals } from './failed-withdrawals.ts'

/** The time to enrollment is that of the latest 1,000 sales, as far as they were received in this time. */
const PACED = 1000
const PACED_MS = 24 * 3_600_000
/** If more are queued, the oldest is looked for among this many entries of an index. */
const COUNT_MAX = 10_000

/** Returns the figures of the console's overview. `now`: ms since 1970. */
export const overview = async (db: Db, now: number) => ({
  pace: await paceOf(db, now - PACED_MS),
  oldestQueued: await oldestQueued(db),
  oldestWithdrawal: await oldestWithdrawal(db),
  failedWithdrawals: await readFailedWithdrawals(db),
  /** Whether no delivery is stored. */
  isUnused: (await db.selectFrom('deliveries').select('id').limit(1).executeTakeFirst()) === undefined,
})
export type Overview = Awaited<ReturnType<typeof overview>>

/** From receiving to the first success, in ms, for the latest 1,000 sales since then; null if none of them was enrolled. */
async function paceOf(db: Db, since: number): Promise<{ median: number; p95: number } | null> {
  const latest = await db
    .selectFrom('deliveries')
    .select(['received_at', 'done_at'])
    .where('received_at', '>=', since)
    .where('source', '!=', 'test')
    .orderBy('received_at', 'desc')
    .limit(PACED)
    .execute()
  const times = latest
    .flatMap(({ received_at, done_at }) => (done_at === null ? [] : [Math.max(0, done_at - received_at)]))
    .sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)] ?? 0
  return times.length === 0 ? null : { median: at(0.5), p95: at(0.95) }
}

/** Returns the backlog for the metrics. A time is null if no delivery is queued, or no withdrawal is open. */
export async function readBacklog(db: Db) {
  const { queued, pre_enrolled, needs_attention, rejected } = await countBacklog(db)
  return {
    queued,
    pre_enrolled,
    needs_attention,
    rejected,
    oldestReceivedAt: (await oldestQueued(db))?.receivedAt ?? null,
    oldestRequestedAt: (await oldestWithdrawal(db))?.requestedAt ?? null,
    withdrawalsFailed: await countFailedWithdrawals(db),
  }
}

/** The delivery whose open withdrawal was requested first; null if none is open. Its id sorts by that time. */
async function oldestWithdrawal(db: Db): Promise<{ id: string; requestedAt: number } | null> {
  const open = db.selectFrom('delivery_lines').where('withdrawal_state', '=', 'open')
  const first = open.select(({ fn }) => fn.min('withdrawal_id').as('id'))
  const found = open.select(['delivery_id as id', 'withdrawal_id as order']).where('withdrawal_id', '=', first)
  const { id, order = null } = (await found.executeTakeFirst()) ?? {}
  return id === undefined || order === null ? null : { id, requestedAt: idTime(order) }
}

/**
 * The queued delivery that was received first; null if there is none. Ids sort by the time of arrival. If more than 10,000
 * deliveries are queued, it reads those with the oldest activity.
 */
async function oldestQueued(db: Db): Promise<{ id: string; receivedAt: number } | null> {
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
  return id === null ? null : { id, receivedAt: idTime(id) }
}

/** Deliveries that need attention, or were rejected and not handled since, for the same reason. Times are ms since 1970. */
export interface Cause {
  readonly state: (typeof UNSOLVED)[number]
  readonly code: ReasonCode
  /** The course key as the shop sent it, if the reason is about a course; null if it is about the person or the payload. */
  readonly course: string | null
  readonly count: number
  /** When the first of them was received: a replay that fails again doesn’t change that. */
  readonly firstAt: number
  /** When the last of them got this result. */
  readonly lastAt: number
  /** The one that was received last. */
  readonly latest: string
}

/** More causes than anybody works on. Where the shop sends another wrong key with each sale, each is a cause of its own. */
export const CAUSES_MAX = 200

/**
 * Groups the deliveries that need attention or were rejected by state, reason and course, the most frequent first, up to
 * CAUSES_MAX.
 */
export async function readCauses(db: Db): Promise<Cause[]> {
  const groups = db
    .selectFrom('deliveries')
    .select(({ fn }) => [
      'state',
      fn.countAll<number>().as('count'),
      fn.min('id').as('first'),
      fn.max('settled_at').as('last_at'),
      fn.max('id').as('latest'),
    ])
    .where('state', 'in', UNSOLVED)
    .where('reason', 'is not', null)
    .groupBy(['state', 'reason', 'subject'])
    .orderBy('count', 'desc')
    .orderBy('last_at', 'desc')
    .limit(CAUSES_MAX)
    .as('groups')
  // The column that groups them has the same for all spellings of a key, so that of the latest one is shown.
  const rows = await db
    .selectFrom(groups)
    .innerJoin('deliveries', 'deliveries.id', 'groups.latest')
    .select(['groups.state', 'count', 'first', 'last_at', 'latest', ...REASON_COLUMNS])
    .execute()
  const causes = rows.flatMap(({ state: stored, count, first, last_at, latest, ...row }): Cause[] => {
    const state = UNSOLVED.find((one) => one === stored)
    const reason = readReason(row)
    if (reason === null || state === undefined) return []
    const { code } = reason
    const course = courseOfReason(reason)
    return [{ state, code, course, count: Number(count), firstAt: idTime(first), lastAt: last_at ?? 0, latest }]
  })
  return causes.sort((a, b) => b.count - a.count || b.lastAt - a.lastAt)
}
