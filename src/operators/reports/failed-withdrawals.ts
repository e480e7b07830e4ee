import type { Db } from '../../database/schema.ts'
import { linesOf } from '../../queue/lines.ts'
import { describeWithdrawal, isUnhandled, type Withdrawal, withdrawalsOf } from '../../queue/withdrawals/withdrawal.ts'

/** How many of the latest lines are read. */
const READ_MAX = 500

/** Returns the withdrawals that failed, the latest first. `result`: what was done, and what was left alone and why. */
export async function readFailedWithdrawals(db: Db) {
  const failed = await readFailed(db, { limit: READ_MAX })
  return failed.flatMap(({ deliveryId, by, isRefund, result }) =>
    result === null ? [] : [{ deliveryId, by, isRefund, result: describeWithdrawal(result) }],
  )
}

/**
 * The withdrawals that have failed from `after` (exclusive) to `upTo` (ms since 1970), the latest first. One whose delivery
 * was handled, sent again or replayed since, or whose courses are all ordered again, is none any more.
 */
export async function readFailed(
  db: Db,
  { after = 0, upTo = Number.MAX_SAFE_INTEGER, limit }: { after?: number; upTo?: number; limit: number },
): Promise<Withdrawal[]> {
  const failed = await failedLines(db)
    .select(['delivery_id as id', 'withdrawal_id as order'])
    .where('withdrawal_at', '>', after)
    .where('withdrawal_at', '<=', upTo)
    .orderBy('withdrawal_at', 'desc')
    .orderBy('withdrawal_id', 'desc')
    .limit(limit)
    .execute()
  const orders = new Set(failed.map(({ order }) => order))
  const rows = await linesOf(db, [...new Set(failed.map(({ id }) => id))])
  return rows.flatMap((row) => withdrawalsOf(row).filter(({ id }) => orders.has(id)))
}

/** Counts the withdrawals that failed. One of several courses counts once. */
export async function countFailedWithdrawals(db: Db): Promise<number> {
  const counted = failedLines(db).select(({ fn }) => fn.count<number>('withdrawal_id').distinct().as('count'))
  return Number((await counted.executeTakeFirstOrThrow()).count)
}

const failedLines = (db: Db) =>
  db
    .selectFrom('delivery_lines')
    .innerJoin('deliveries', 'deliveries.id', 'delivery_lines.delivery_id')
    .where('withdrawal_state', '=', 'failed')
    .where(isUnhandled)
