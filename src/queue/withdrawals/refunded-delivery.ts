import type { DeliveryRow } from '../../database/schema.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import { readRequest } from '../rows.ts'
import { type WithdrawableRow, withdrawableOf } from '../withdrawable.ts'
import type { Withdrawal } from '../withdrawal-row.ts'

/** A withdrawal, with the generation of its delivery when it was ordered. */
export interface OrderOfGeneration extends Withdrawal {
  readonly generation: number
}

/** What a refund means for one delivery of the buyer. */
export interface Refundable {
  /** The courses of the refund that this delivery sold. */
  readonly sold: readonly string[]
  /** The courses to withdraw the buyer from, as the delivery spells them. */
  readonly courses: readonly string[]
  /** The open withdrawals that do a part of the refund already. */
  readonly orders: readonly string[]
  /** Whether the delivery is still to be done: the refund stops it. */
  readonly stops: boolean
  /** The courses that a stopped delivery would still have enrolled the buyer in, as they were sent. */
  readonly rest: readonly string[]
}

/**
 * Compares a refund with a delivery. It concerns what the delivery reported or may have done, and what a queued delivery
 * or one that needs attention may still do. A delivery that an operator marked as handled without a report sold nothing:
 * nobody here knows what the operator did. null for a delivery that can't be read. Pure.
 * @param of.orders all withdrawals of the delivery
 */
export function refundableOf(of: {
  row: WithdrawableRow & Pick<DeliveryRow, 'state'>
  orders: readonly OrderOfGeneration[]
  named: readonly string[]
}): Refundable | null {
  const { row, orders, named } = of
  const withdrawable = withdrawableOf(row)
  if (withdrawable === null || row.request === null) return null
  const sent = [...new Set(readRequest(row.request).courseIds)]
  const stops = row.state === 'queued' || row.state === 'needs_attention'
  const listed = withdrawable.courses.map(({ course }) => course)
  const all = [...listed, ...(stops ? sent.filter((course) => !has(listed, course)) : [])]
  const known = row.state === 'rejected' || row.state === 'handled' ? [] : sent
  const current = orders.filter(({ generation }) => generation === row.generation)
  const doing = (course: string) => current.find((order) => does(order, course))
  const concerned = all.filter((course) => has(named, course))
  const courses = concerned.filter((course) => doing(course) === undefined)
  const isLeft = (course: string): boolean =>
    !has(named, course) && !current.some((order) => has(order.courses, course))
  return {
    sold: named.filter((course) => has([...all, ...known, ...orders.flatMap((order) => order.courses)], course)),
    courses,
    orders: concerned
      .flatMap((course) => doing(course) ?? [])
      .flatMap(({ id, endedAt }) => (endedAt === null ? id : [])),
    stops: stops && courses.length > 0,
    rest: stops && courses.length > 0 ? sent.filter(isLeft) : [],
  }
}

const has = (courses: readonly string[], course: string): boolean => courses.some((one) => isSameCourse(one, course))

/** Whether a withdrawal takes the buyer out of a course, or has done so, as a refund would. */
function does({ courses, endedAt, paid, result }: Withdrawal, course: string): boolean {
  if (endedAt === null) return paid && has(courses, course)
  return Object.entries(result?.courses ?? {}).some(([key, { kind }]) => kind !== 'kept' && isSameCourse(key, course))
}
