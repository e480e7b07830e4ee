import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../../database/schema.ts'
import { hasCourse } from '../../sale/course-key.ts'
import { lineOf } from '../../sale/line.ts'
import { tookOut } from '../../sale/types.ts'
import { salesTo, type WithLines, withLines } from '../lines.ts'
import { namedBy, readCurrentOrders, readOrders, SUPERSEDED, withdrawalOf } from '../withdrawal-row.ts'
import { type ClaimedOrder, holdsOf } from './claimed-order.ts'

/** The states of a delivery that keeps its courses. */
export const LIVE = ['queued', 'enrolled', 'pre_enrolled', 'needs_attention'] as const

/**
 * The deliveries that keep a course for the same buyer, sorted by id: those of the same address, of the one
 * that the buyer's account has by now, or of any other one under which that account got the course, but not those that
 * gave the course to another account. If another account has the sold address by now (`isTaken`), a sale to it that has
 * given the course to nobody yet is that one's. A refund and an operator order a withdrawal for each delivery that they
 * concern. So another one that wants the course, without such an order or sent again since, is a sale that was not taken
 * back: it came later, or the refund names a single sale. One whose access has ended keeps nothing, and one whose paid
 * mode an order left keeps it.
 * @param of.accountId the buyer's account as it was found just now; absent: the one that the course was given to
 */
export async function keepersOf(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  {
    order: { row, delivery },
    order,
    course,
    accountId = lineOf(delivery.lines, course)?.account?.id,
    isTaken,
  }: { order: ClaimedOrder; course: string; accountId?: number | undefined; isTaken: boolean },
): Promise<string[]> {
  const accountIds = accountId === undefined ? [] : [accountId]
  const ids = await salesTo(db, { addresses: holdsOf(order), accountIds })
  const others = await db
    .selectFrom('deliveries')
    .select(['id', 'email', 'state'])
    .where('id', 'in', ids)
    .where('id', '!=', row.delivery_id)
    .where('state', 'in', LIVE)
    .execute()
  const isAnothers = (other: WithLines<Pick<DeliveryRow, 'email'>>): boolean => {
    const line = lineOf(other.lines, course)
    const account = line?.account?.id
    if (account === undefined) return isTaken && other.email === delivery.email && line?.result !== 'enrolled'
    return accountId !== undefined && accountId !== account
  }
  const wanting = (await withLines(db, others))
    .filter((other) => wants(other, course) && !isAnothers(other))
    .map(({ id }) => id)
  const orders = await readCurrentOrders(db, wanting)
  return wanting.filter((id) => !hasCourse(namedBy(orders.get(id) ?? []), course)).sort()
}

/** The courses that these orders left to other or newer sales of their buyers, and that these still keep, by their ids. */
export async function readKept(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<readonly { readonly course: string; readonly delivery: string }[]> {
  const left = (await readOrders(db, ids)).flatMap(({ courses, deliveryId, result }) => {
    // The sale came again after the order: it keeps its courses itself.
    if (result?.message === SUPERSEDED) return courses.map((course) => ({ course, delivery: deliveryId }))
    return Object.entries(result?.courses ?? {}).flatMap(([course, { keptBy }]) =>
      keptBy === undefined ? [] : { course, delivery: keptBy },
    )
  })
  if (left.length === 0) return []
  const keepers = [...new Set(left.map(({ delivery }) => delivery))]
  const ended = await db
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', keepers)
    .where('state', 'not in', LIVE)
    .execute()
  const orders = await readCurrentOrders(db, keepers)
  return left.filter(({ course, delivery }) => {
    const taken = takenBy(orders.get(delivery) ?? [])
    return !ended.some(({ id }) => id === delivery) && !hasCourse(taken, course)
  })
}

/** The courses that orders take, or took, a buyer out of. Throws ZodError or SyntaxError for a row that can't be read. */
const takenBy = (orders: readonly WithdrawalRow[]): readonly string[] =>
  orders
    .map(withdrawalOf)
    .flatMap(({ courses, endedAt, result }) =>
      endedAt === null ? courses : courses.filter((course) => tookOut(result, course)),
    )

/**
 * Whether a live delivery wants a course. One that needs attention only wants what it reported: the rest waits for a
 * person. None wants a course that the buyer has lost in the LMS since it was enrolled.
 */
function wants({ state, lines }: WithLines<Pick<DeliveryRow, 'state'>>, course: string): boolean {
  const line = lineOf(lines, course)
  if (line === undefined || line.standing?.endedAt !== undefined) return false
  return state !== 'needs_attention' || line.result !== null
}
