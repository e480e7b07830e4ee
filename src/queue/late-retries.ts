import type { TransactionContext } from '../database/transaction.ts'
import { hasCourse } from '../sale/course-key.ts'
import { tookOut } from '../sale/types.ts'
import { coursesOf } from './rows.ts'
import { readCurrentOrders, withdrawalOf } from './withdrawal-row.ts'

/**
 * Of these deliveries, finds those that have a course withdrawn, or refunded in vain, and the first such course, as it was
 * sent. An order from before a newer sale doesn't count.
 *
 * A repeat of such a delivery under a webhook-id that was known before is a retry which came late: a sender that didn't
 * get an answer in time sends the same id again, and must not put a refunded buyer back. A new id, or none, is a new sale.
 */
export async function readWithdrawnCourses(
  { trx }: Pick<TransactionContext, 'trx'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const current = await readCurrentOrders(trx, ids)
  if (current.size === 0) return new Map()
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'request'])
    .where('id', 'in', [...current.keys()])
    .execute()
  return new Map(
    rows.flatMap((row) => {
      const orders = (current.get(row.id) ?? []).map(withdrawalOf)
      const isOut = (sent: string): boolean =>
        orders.some(({ courses, endedAt, result, isRefund }) =>
          endedAt === null || isRefund ? hasCourse(courses, sent) : tookOut(result, sent),
        )
      const course = coursesOf(row).find(isOut)
      return course === undefined ? [] : [[row.id, course] as const]
    }),
  )
}
