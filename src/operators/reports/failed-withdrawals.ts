import type { Db } from '../../database/schema.ts'
import { linesOf } from '../../queue/lines.ts'
import { describeWithdrawal, type Withdrawal, withdrawalsOf } from '../../queue/withdrawals/withdrawal.ts'

/** What ended longer ago is no news. */
const NEWS_MS = 7 * 24 * 3_600_000
/** How many of the latest lines are read. */
const READ_MAX = 500

/**
 * Returns the withdrawals that failed in the week before `now` (ms since 1970), the latest first. Without those whose
 * delivery was withdrawn, handled, replayed or sent again since. `result`: what was done, and what was left alone and why.
 */
export async function readFailedWithdrawals({ db, now }: { db: Db; now: number }) {
  const failed = await readFailed(db, { after: now - NEWS_MS, limit: READ_MAX })
  if (failed.length === 0) return []
  const ids = failed.map(({ deliveryId }) => deliveryId)
  const deliveries = await db
    .selectFrom('deliveries')
    .select(['id', 'settled_at'])
    .where('id', 'in', ids)
    .where('state', '=', 'handled')
    .execute()
  const handledAt = new Map(deliveries.map(({ id, settled_at }) => [id, settled_at ?? 0]))
  return failed.flatMap(({ deliveryId, by, isRefund, endedAt, result }) => {
    const isHandled = (handledAt.get(deliveryId) ?? 0) > (endedAt ?? 0)
    return isHandled || result === null ? [] : [{ deliveryId, by, isRefund, result: describeWithdrawal(result) }]
  })
}

/**
 * The withdrawals that have failed from `after` (exclusive) to `upTo` (ms since 1970), the latest first. One whose delivery
 * was sent again or replayed since, or whose courses are all ordered again, is none any more.
 */
export async function readFailed(
  db: Db,
  { after, upTo = Number.MAX_SAFE_INTEGER, limit }: { after: number; upTo?: number; limit: number },
): Promise<Withdrawal[]> {
  const failed = await db
    .selectFrom('delivery_lines')
    .select(['delivery_id as id', 'withdrawal_id as order'])
    .where('withdrawal_state', '=', 'ended')
    .where('withdrawal_at', '>', after)
    .where('withdrawal_at', '<=', upTo)
    .where((eb) => eb.or([eb('withdrawal_kind', '=', 'kept'), eb('withdrawal_message', '!=', '')]))
    .orderBy('withdrawal_at', 'desc')
    .orderBy('withdrawal_id', 'desc')
    .limit(limit)
    .execute()
  const orders = new Set(failed.map(({ order }) => order))
  const rows = await linesOf(db, [...new Set(failed.map(({ id }) => id))])
  return rows.flatMap((row) => withdrawalsOf(row).filter(({ id }) => orders.has(id)))
}
