import type { Kysely } from 'kysely'
import type { Tables, WithdrawalRow } from '../database/schema.ts'
import { describeWithdrawal, hasFailed, type Withdrawal, withdrawalOf } from './withdrawal-row.ts'

/** What ended longer ago is no news. */
const NEWS_MS = 7 * 24 * 3_600_000
/** How many of the latest orders are read. */
const READ_MAX = 500

/** A withdrawal that left a course as it was, and that nobody has taken care of since. */
export interface FailedWithdrawal extends Pick<Withdrawal, 'deliveryId' | 'by' | 'isRefund'> {
  /** What was done, and what was left alone and why. */
  readonly result: string
}

/**
 * Returns the withdrawals that failed in the week before `now` (ms since 1970), the latest first. Without those whose
 * delivery was withdrawn, handled, replayed or sent again since.
 */
export async function readFailedWithdrawals({
  db,
  now,
}: {
  db: Kysely<Tables>
  now: number
}): Promise<FailedWithdrawal[]> {
  const rows = await db
    .selectFrom('withdrawals')
    .selectAll()
    .where('ended_at', '>=', now - NEWS_MS)
    .orderBy('ended_at', 'desc')
    .orderBy('due_at', 'desc')
    .orderBy('id', 'desc')
    .limit(READ_MAX)
    .execute()
  const failed = rows.flatMap((row) => failedOf(row))
  if (failed.length === 0) return []
  const ids = [...new Set(failed.map(({ row }) => row.delivery_id))]
  const deliveries = await db
    .selectFrom('deliveries')
    .select(['id', 'state', 'settled_at', 'generation'])
    .where('id', 'in', ids)
    .execute()
  const orders = await db
    .selectFrom('withdrawals')
    .select(['delivery_id', 'requested_at'])
    .where('delivery_id', 'in', ids)
    .execute()
  return failed.flatMap(({ row, found }) => {
    const delivery = deliveries.find(({ id }) => id === row.delivery_id)
    if (delivery === undefined || delivery.generation !== row.generation) return []
    const isHandled = delivery.state === 'handled' && (delivery.settled_at ?? 0) > (row.ended_at ?? 0)
    const isRepeated = orders.some((one) => one.delivery_id === row.delivery_id && one.requested_at > row.requested_at)
    return isHandled || isRepeated ? [] : [found]
  })
}

/** None for an order that did not fail, or whose row can't be read. */
export function failedOf(row: WithdrawalRow): { row: WithdrawalRow; found: FailedWithdrawal }[] {
  try {
    const withdrawal = withdrawalOf(row)
    const { deliveryId, by, isRefund, result } = withdrawal
    if (result === null || !hasFailed(withdrawal)) return []
    return [{ row, found: { deliveryId, by, isRefund, result: describeWithdrawal(result) } }]
  } catch {
    return []
  }
}
