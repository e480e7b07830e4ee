import type { ExpressionBuilder } from 'kysely'
import type { Db, Tables } from '../../database/schema.ts'
import { hasFailed, isWithdrawing, type Line, type LineWithdrawal, lineOf } from '../../sale/line.ts'
import { MOVED } from '../../sale/words.ts'
import type { EventDraft } from '../events.ts'
import { linesOf } from '../lines.ts'

/** By course key, as the delivery has it. */
export interface WithdrawalResult extends Pick<LineWithdrawal, 'message'> {
  readonly courses: Readonly<Record<string, NonNullable<LineWithdrawal['result']>>>
}

/** An order to take the buyer of a delivery out of courses again: what their lines have in common. */
export interface Withdrawal extends Omit<LineWithdrawal, 'called' | 'result' | 'message'> {
  readonly deliveryId: string
  readonly courses: readonly string[]
  /** null before the first attempt. */
  readonly result: WithdrawalResult | null
}

/** The withdrawals of a delivery, the latest first. */
export function withdrawalsOf({ id, lines }: { id: string; lines: readonly Line[] }): readonly Withdrawal[] {
  const ordered = lines.flatMap(({ course, withdrawal }) => (withdrawal === null ? [] : [{ course, ...withdrawal }]))
  const orders = [...Map.groupBy(ordered, (one) => one.id).values()].flatMap((all): Withdrawal[] => {
    // One that has left a course to another sale can be due again for that course alone: see orderAgain.
    const first = all.find(({ endedAt }) => endedAt === null) ?? all[0]
    if (first === undefined) return []
    const { course: _course, called: _called, result: _result, message, ...order } = first
    const common = { ...order, paid: all.some(({ paid }) => paid), isRefund: all.some(({ isRefund }) => isRefund) }
    const found = all.flatMap(({ course, result }) => (result === null ? [] : [[course, result] as const]))
    const result = found.length === 0 && message === '' ? null : { courses: Object.fromEntries(found), message }
    return [{ ...common, deliveryId: id, courses: all.map(({ course }) => course), result }]
  })
  return orders.sort((a, b) => (a.id < b.id ? 1 : -1))
}

/**
 * The result of a withdrawal that has ended, or of several:
 * - `done`: nothing of it stands, unless another sale keeps it.
 * - `kept`: the LMS, or a rule of this service, kept the buyer in a course.
 * - `failed`: the LMS failed until the last attempt.
 */
export type Withdrawn = 'done' | 'kept' | 'failed'

/** The result of an order in one course; null if it has not ended. */
function withdrawnOf(order: LineWithdrawal): Withdrawn | null {
  if (order.endedAt === null) return null
  if (!hasFailed(order)) return 'done'
  return order.message === '' ? 'kept' : 'failed'
}

/**
 * The condition that nobody has handled a delivery since a withdrawal of its line has ended: one that has failed is still to
 * be dealt with then.
 */
export const isUnhandled = (eb: ExpressionBuilder<Tables, 'deliveries' | 'delivery_lines'>) =>
  eb.or([
    eb('deliveries.state', '!=', 'handled'),
    eb('deliveries.settled_at', '<=', eb.ref('delivery_lines.withdrawal_at')),
  ])

/** A line that a refund waits for: its withdrawal, by its id and that of its delivery, and the true course key. */
export interface Ordered {
  readonly delivery: string
  readonly order: string
  readonly course: string
}

/**
 * The withdrawal of a line that answers a refund which waits for `order`: that one, or a newer one in its place (see
 * insertOrder). null: the sale came again since.
 */
export function answering({ order, course }: Ordered, lines: readonly Line[]): LineWithdrawal | null {
  const withdrawal = lineOf(lines, course)?.withdrawal ?? null
  return withdrawal?.id === order || withdrawal?.isRefund ? withdrawal : null
}

/** A line with its order, as those name it who wait for its end. */
export const orderId = ({ delivery, order, course }: Ordered): string => `${delivery}/${order}/${course}`

/**
 * The results of those of these lines (see orderId) whose orders have ended, by their ids. One whose sale came again since is
 * done.
 */
export async function readWithdrawn(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, Withdrawn>> {
  const named = ids.map((id) => {
    const [delivery = '', order = '', ...course] = id.split('/')
    return { id, delivery, order, course: course.join('/') }
  })
  const sales = await linesOf(db, [...new Set(named.map(({ delivery }) => delivery))])
  const linesIn = new Map(sales.map(({ id, lines }) => [id, lines]))
  return new Map(
    named.flatMap(({ id, delivery, order, course }) => {
      const withdrawal = answering({ delivery, order, course }, linesIn.get(delivery) ?? [])
      const withdrawn = withdrawal === null ? 'done' : withdrawnOf(withdrawal)
      return withdrawn === null ? [] : [[id, withdrawn] as const]
    }),
  )
}

/** The events of orders that were open for lines of a delivery, and are for none of them any more. */
export function endedEarly(
  id: string,
  of: { before: readonly Line[]; after: readonly Line[]; why: string },
): EventDraft[] {
  const openIn = (lines: readonly Line[]) => Map.groupBy(lines.filter(isWithdrawing), (line) => line.withdrawal?.id)
  const left = openIn(of.after)
  const ended = [...openIn(of.before)].filter(([order]) => !left.has(order))
  return ended.map(([, lines]) => {
    const refundFailed = lines.filter(({ withdrawal }) => withdrawal?.isRefund).map(({ course }) => course)
    const event = { deliveryId: id, detail: of.why }
    return refundFailed.length === 0
      ? { ...event, kind: 'withdrawal_ended' }
      : { ...event, kind: 'refund_failed', refundFailed }
  })
}

/** The result of several withdrawals together; null if one of them has none. */
export function worstOf(results: readonly (Withdrawn | null)[]): Withdrawn | null {
  if (results.includes(null)) return null
  return (['failed', 'kept'] as const).find((worst) => results.includes(worst)) ?? 'done'
}

/** Describes the courses of a result, for timelines: what was done, and what was left alone and why. */
export function describeWithdrawal({ courses, message }: WithdrawalResult): string {
  const parts = Object.entries(courses).map(([course, { kind, mode, why, moved }]) => {
    if (kind === 'kept' || kind === 'had_before' || why !== '') return `${course}: ${why}`
    return `${DESCRIPTIONS[kind]} ${course}${mode === null ? '' : ` (${mode})`}${moved ? `; ${MOVED}` : ''}`
  })
  return [...parts, ...(message === '' ? [] : [message])].join('; ')
}

const DESCRIPTIONS = {
  unenrolled: 'unenrolled from',
  disallowed: 'allowance deleted for',
  nothing: 'nothing to withdraw in',
} as const
