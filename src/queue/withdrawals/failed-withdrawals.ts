import type { Kysely } from 'kysely'
import type { Tables, WithdrawalRow } from '../../database/schema.ts'
import { hasCourse } from '../../sale/course-key.ts'
import { tookOut } from '../../sale/types.ts'
import { describeWithdrawal, hasFailed, readableOrder, readCurrentOrders, type Withdrawal } from '../withdrawal-row.ts'

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
  const failed = rows.flatMap(failedOf)
  if (failed.length === 0) return []
  const ids = [...new Set(failed.map(({ deliveryId }) => deliveryId))]
  const deliveries = await db
    .selectFrom('deliveries')
    .select(['id', 'settled_at'])
    .where('id', 'in', ids)
    .where('state', '=', 'handled')
    .execute()
  const handledAt = new Map(deliveries.map(({ id, settled_at }) => [id, settled_at ?? 0]))
  const orders = await readCurrentOrders(db, ids)
  return failed.flatMap((order) => {
    const { id, deliveryId, by, isRefund, requestedAt, endedAt, result } = order
    const current = orders.get(deliveryId) ?? []
    const isCurrent = current.some((one) => one.id === id)
    const isHandled = (handledAt.get(deliveryId) ?? 0) > (endedAt ?? 0)
    const later = current.filter(({ requested_at }) => requested_at > requestedAt)
    const repeated = later.flatMap(readableOrder).flatMap(({ courses }) => courses)
    const isRepeated = leftBy(order).every((course) => hasCourse(repeated, course))
    if (!isCurrent || isHandled || isRepeated || result === null) return []
    return { deliveryId, by, isRefund, result: describeWithdrawal(result) }
  })
}

/** The courses that a failed order has left as they were. */
const leftBy = ({ courses, result }: Withdrawal): readonly string[] =>
  courses.filter((course) => !tookOut(result, course))

/** The order of a row; none for one that did not fail, or whose row can't be read. */
export const failedOf = (row: WithdrawalRow): Withdrawal[] => readableOrder(row).filter(hasFailed)
