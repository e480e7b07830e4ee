import type { TransactionContext } from '../database/transaction.ts'
import { hasCourse } from '../sale/course-key.ts'
import { tookOut } from '../sale/types.ts'
import type { Accepted } from './known.ts'
import { coursesOf } from './rows.ts'
import { readSaleIds } from './webhook-ids.ts'
import { readCurrentOrders, withdrawalOf } from './withdrawal-row.ts'

/**
 * Among repeats, finds those that are retries which came late: their delivery was withdrawn, or is being withdrawn, and
 * their webhook-id was known before. A sender that didn't get an answer in time sends the same id again, and must not put a
 * refunded buyer back. A new id, or none, is a new sale. Call it before the ids of these repeats are stored.
 * @returns the first withdrawn course of the sale, as it was sent, by webhook-id
 */
export async function readLateRetries(
  { trx }: Pick<TransactionContext, 'trx'>,
  repeats: readonly Accepted[],
): Promise<ReadonlyMap<string, string>> {
  const named = repeats.flatMap(({ id, row: { webhook_id } }) => (webhook_id === null ? [] : [{ id, webhook_id }]))
  const withdrawn = await readWithdrawnCourses({ trx }, [...new Set(named.map(({ id }) => id))])
  const late = named.filter(({ id }) => withdrawn.has(id))
  const known = await readSaleIds(
    { trx },
    late.map(({ webhook_id }) => webhook_id),
  )
  return new Map(
    late.flatMap(({ id, webhook_id }) => (known.has(webhook_id) ? [[webhook_id, withdrawn.get(id) ?? '']] : [])),
  )
}

/**
 * Of the deliveries that have a course withdrawn, or refunded in vain, the first such course. An order from before a newer
 * sale doesn't count.
 */
async function readWithdrawnCourses(
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
