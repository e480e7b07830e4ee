import type { Kysely } from 'kysely'
import type { Tables, WithdrawalRow } from '../../database/schema.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import { readRequest } from '../rows.ts'
import { withdrawalOf } from '../withdrawal-row.ts'

/** The states of a delivery that keeps its courses. */
export const LIVE = ['queued', 'enrolled', 'pre_enrolled', 'needs_attention'] as const

/**
 * The deliveries that sold a course of a refund to the same buyer again, by their ids. A refund orders a withdrawal for
 * each delivery of the buyer that has the course. So a live delivery without such an order, or one that has come again
 * since its order, was sold later. None for a withdrawal that an operator ordered: its page names other deliveries.
 */
export async function soldAgain(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  { order, course }: { order: WithdrawalRow; course: string },
): Promise<string[]> {
  if (order.refund_id === null) return []
  const others = await db
    .selectFrom('deliveries as other')
    .innerJoin('deliveries as mine', 'mine.email', 'other.email')
    .select(['other.id', 'other.request', 'other.generation'])
    .where('mine.id', '=', order.delivery_id)
    .where('other.id', '!=', order.delivery_id)
    .where('other.state', 'in', LIVE)
    .execute()
  const selling = others.filter(({ request }) => sells(request, course))
  if (selling.length === 0) return []
  const ids = selling.map(({ id }) => id)
  const orders = await db.selectFrom('withdrawals').selectAll().where('delivery_id', 'in', ids).execute()
  const isWithdrawn = (id: string, generation: number): boolean =>
    orders.some(
      (row) =>
        row.delivery_id === id &&
        row.generation === generation &&
        withdrawalOf(row).courses.some((withdrawn) => isSameCourse(withdrawn, course)),
    )
  return selling.filter(({ id, generation }) => !isWithdrawn(id, generation)).map(({ id }) => id)
}

/** false for a request that can't be read: the delivery is never attempted. */
function sells(request: string | null, course: string): boolean {
  try {
    return request !== null && readRequest(request).courseIds.some((sent) => isSameCourse(sent, course))
  } catch {
    return false
  }
}
