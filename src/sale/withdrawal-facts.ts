import { isTakenOut, isWithdrawing, type KeptCourse, type LineWithdrawal } from './line.ts'
import type { Delivery } from './types.ts'

/** A piece of a sentence. A time (ms since 1970) is written in the reader's zone by what shows it. */
export type Piece = string | { readonly at: number }
/** A sentence, or what begins one. */
export type Fact = readonly Piece[]

/** Who ordered a withdrawal. */
export const whoOf = ({ by, isRefund }: Pick<LineWithdrawal, 'by' | 'isRefund'>): string =>
  isRefund ? 'by a refund of the shop' : `by ${by}`

/** The delivery that has a course too, so that an order left the buyer in it; null if none did. */
export const keeperOf = (order: LineWithdrawal): string | null => order.result?.keptBy ?? null

/** What an order has left to the buyer; null if nothing. */
export function keptCourse(course: string, order: LineWithdrawal): KeptCourse | null {
  const delivery = keeperOf(order)
  if (delivery !== null) return { course, reason: 'sale', delivery }
  return order.result?.kind === 'had_before' ? { course, reason: 'had_before' } : null
}

/** Whether an order that has ended leaves the buyer in the course: another sale keeps it, or they had it before this one. */
export const leavesIn = (order: LineWithdrawal): boolean => keptCourse('', order) !== null

/** That an order has taken the buyer out of a course, or left it to another delivery, or as it was before the sale. */
export function takenFact(course: string, order: LineWithdrawal): Fact {
  const keeper = keeperOf(order)
  const { kind, why = '' } = order.result ?? {}
  const left = keeper === null ? '' : ` and left to delivery ${keeper}`
  const end = kind === 'had_before' ? `: ${why}.` : `${left}.`
  return [`${course} was withdrawn ${whoOf(order)} at `, { at: order.endedAt ?? 0 }, end]
}

/** What the service still has to take away, and why the last attempt did not. */
export function openFacts({ lines }: Pick<Delivery, 'lines'>): Fact[] {
  const open = Object.values(Object.groupBy(lines.filter(isWithdrawing), ({ withdrawal }) => withdrawal?.id ?? ''))
  return open.flatMap((some = []): Fact[] => {
    const [order] = some.flatMap(({ withdrawal }) => withdrawal ?? [])
    const courses = some.map(({ course }) => course).join(', ')
    if (order === undefined) return []
    const now = order.message === '' ? 'in progress' : `not done yet: ${order.message.replace(/\.$/, '')}`
    return [[`A withdrawal ${whoOf(order)} from ${courses} is ${now}.`]]
  })
}

/** What an order that has ended did not take away, and why. */
export function keptFacts({ state, lines }: Pick<Delivery, 'state' | 'lines'>): Fact[] {
  if (state === 'withdrawn') return []
  return lines.flatMap((line): Fact[] => {
    const { course, withdrawal } = line
    if (withdrawal === null || isWithdrawing(line) || isTakenOut(line)) return []
    const { result, message } = withdrawal
    if (result?.kind === 'kept') return [[`A withdrawal left ${course} as it is: ${result.why}.`]]
    // The failure first, because a list cuts the sentence.
    return [[`A withdrawal failed in ${course}, ordered ${whoOf(withdrawal)}: ${message.replace(/\.$/, '')}.`]]
  })
}
