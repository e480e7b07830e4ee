import type { Kysely, Transaction } from 'kysely'
import { z } from 'zod'
import type { DeliveryRow, Tables, WithdrawalRow } from '../database/schema.ts'
import { hasCourse, isSameCourse } from '../sale/course-key.ts'
import { MOVED } from '../sale/words.ts'
import { coursesOf, readList } from './rows.ts'

/** The message of an order that only waits until it can't be undone any more. */
export const LATE = 'the LMS may still carry out an earlier call for this buyer'

/** The message of an order that ended because its sale came again. */
export const SUPERSEDED = 'the sale was sent again or replayed after the withdrawal was ordered'

/**
 * The result for one course:
 * - `unenrolled`: there was an active enrollment, in `mode`.
 * - `disallowed`: there was only an allowance.
 * - `nothing`: there was neither; or another sale keeps the course: delivery `keptBy`.
 * - `kept`: nothing was changed; `why` gives the reason.
 */
const WITHDRAWN_KINDS = ['unenrolled', 'disallowed', 'nothing', 'kept'] as const

const resultSchema = z.object({
  /** By course key, as in the order. */
  courses: z.record(
    z.string(),
    z.object({
      kind: z.enum(WITHDRAWN_KINDS),
      mode: z.string().nullable(),
      why: z.string(),
      keptBy: z.string().exactOptional(),
      /** The account that the course was given to had another address by then. */
      moved: z.literal(true).exactOptional(),
    }),
  ),
  /** Why the last attempt failed, why the order waits, or why it ended early; '' if it did nothing of this. */
  message: z.string(),
})
export type WithdrawalResult = Readonly<z.infer<typeof resultSchema>>
export type CourseWithdrawal = Readonly<WithdrawalResult['courses'][string]>

/** An order to take the buyer of a delivery out of courses again. Times are ms since 1970. */
export interface Withdrawal {
  readonly id: string
  readonly deliveryId: string
  readonly courses: readonly string[]
  /** Whether it includes paid course modes. */
  readonly paid: boolean
  readonly by: string
  /** Whether the shop ordered it, by a refund. */
  readonly isRefund: boolean
  readonly requestedAt: number
  /** Of its delivery, when it was ordered. */
  readonly generation: number
  /** The next attempt, if it has not ended. */
  readonly dueAt: number
  /** Failed attempts. */
  readonly attempts: number
  readonly endedAt: number | null
  readonly result: WithdrawalResult | null
}

/** Converts a stored order. Throws ZodError or SyntaxError for JSON that this program can't have written. */
export function withdrawalOf(row: WithdrawalRow): Withdrawal {
  return {
    id: row.id,
    deliveryId: row.delivery_id,
    courses: readList(row.courses),
    paid: row.paid !== 0,
    by: row.actor,
    isRefund: row.refund_id !== null,
    requestedAt: row.requested_at,
    generation: row.generation,
    dueAt: row.due_at,
    attempts: row.attempts,
    endedAt: row.ended_at,
    result: row.result === null ? null : resultSchema.parse(JSON.parse(row.result)),
  }
}

/** The same as a list of one order; empty for a row that can't be read. */
export function readableOrder(row: WithdrawalRow): Withdrawal[] {
  try {
    return [withdrawalOf(row)]
  } catch {
    return []
  }
}

/**
 * The result of a withdrawal that has ended, or of several:
 * - `done`: nothing of it stands, unless another sale keeps it.
 * - `kept`: the LMS, or a rule of this service, kept the buyer in a course.
 * - `failed`: the LMS failed until the last attempt.
 */
export type Withdrawn = 'done' | 'kept' | 'failed'

/** The orders with these ids, sorted by id. Throws ZodError or SyntaxError for a row that can't be read. */
export async function readOrders(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  ids: readonly string[],
): Promise<readonly Withdrawal[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('withdrawals').selectAll().where('id', 'in', ids).orderBy('id').execute()
  return rows.map(withdrawalOf)
}

/** The results of those of these orders that have ended, by their ids. */
export async function readWithdrawn(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Withdrawn>> {
  const ended = (await readOrders(db, ids)).filter(({ endedAt }) => endedAt !== null)
  return new Map(ended.map((order) => [order.id, withdrawnOf(order)]))
}

/** The result of an order that has ended. */
function withdrawnOf({ result }: Withdrawal): Withdrawn {
  const message = result?.message ?? ''
  if (message !== '' && message !== SUPERSEDED) return 'failed'
  return Object.values(result?.courses ?? {}).some(({ kind }) => kind === 'kept') ? 'kept' : 'done'
}

/** Whether an order has ended and left a course as it was. One that the sale has superseded needs no operator. */
export const hasFailed = (order: Withdrawal): boolean => order.endedAt !== null && withdrawnOf(order) !== 'done'

/** The result of several withdrawals together; null if one of them has none. */
export function worstOf(results: readonly (Withdrawn | null)[]): Withdrawn | null {
  if (results.includes(null)) return null
  return (['failed', 'kept'] as const).find((worst) => results.includes(worst)) ?? 'done'
}

/** Describes the courses of a result, for timelines: what was done, and what was left alone and why. */
export function describeWithdrawal({ courses, message }: WithdrawalResult): string {
  const parts = Object.entries(courses).map(([course, { kind, mode, why, moved }]) => {
    if (kind === 'kept' || why !== '') return `${course}: ${why}`
    return `${DESCRIPTIONS[kind]} ${course}${mode === null ? '' : ` (${mode})`}${moved ? `; ${MOVED}` : ''}`
  })
  return [...parts, ...(message === '' ? [] : [message])].join('; ')
}

const DESCRIPTIONS = {
  unenrolled: 'unenrolled from',
  disallowed: 'allowance deleted for',
  nothing: 'nothing to withdraw in',
} as const

/** The orders for the current generation of these deliveries, by delivery. A repeat or a replay since would supersede them. */
export async function readCurrentOrders(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly WithdrawalRow[]>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('withdrawals')
    .innerJoin('deliveries', (join) =>
      join
        .onRef('deliveries.id', '=', 'withdrawals.delivery_id')
        .onRef('deliveries.generation', '=', 'withdrawals.generation'),
    )
    .selectAll('withdrawals')
    .where('withdrawals.delivery_id', 'in', ids)
    .execute()
  return Map.groupBy(rows, (row) => row.delivery_id)
}

/**
 * The courses that orders name. Each order is the newest statement about them, even if it failed; but not about a course
 * that it left because the buyer paid for its mode. Throws ZodError or SyntaxError for a row that can't be read.
 */
export const namedBy = (orders: readonly WithdrawalRow[]): readonly string[] =>
  orders.map(withdrawalOf).flatMap((order) => order.courses.filter((course) => !leftPaid(order, course)))

/** The courses that a delivery sold and none of its current orders names, as they were sent. Throws what namedBy throws. */
export function coursesLeft(
  row: Pick<DeliveryRow, 'request'>,
  orders: readonly WithdrawalRow[] = [],
): readonly string[] {
  const named = namedBy(orders)
  return coursesOf(row).filter((course) => !hasCourse(named, course))
}

/**
 * Keeps current orders current, in a transaction that starts their deliveries again afterwards: that is then no newer
 * statement about the courses of the orders.
 */
export async function moveOrdersAlong(trx: Transaction<Tables>, orders: readonly WithdrawalRow[]): Promise<void> {
  if (orders.length === 0) return
  await trx
    .updateTable('withdrawals')
    .set((eb) => ({ generation: eb('generation', '+', 1) }))
    .where('id', 'in', orders.map(({ id }) => id).sort())
    .execute()
}

/** Whether an order that has ended left the course because the buyer paid for its mode. */
const leftPaid = ({ endedAt, paid, result }: Withdrawal, course: string): boolean =>
  endedAt !== null &&
  !paid &&
  Object.entries(result?.courses ?? {}).some(
    ([key, { kind, mode }]) => isSameCourse(key, course) && kind === 'kept' && mode !== null,
  )
