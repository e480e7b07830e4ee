import type { Violation } from './check.ts'
import { buyerOf, type Kept, keyOf, keyOfKept, type Record, type Refund, type Sale, statusOf } from './record.ts'

/** A refund that the service has accepted, for one person and course. */
export interface Refunded {
  readonly refund: Refund
  readonly key: string
  /** When it was first sent, and when it was accepted; infinite if nobody knows whether it was. */
  readonly sentAt: number
  readonly at: number
  /** Whether the service has said that the buyer is out: no sale keeps the course, such as one that came again meanwhile. */
  readonly isVerified: boolean
}

/** Returns the shop's refunds that may count, by person and course, also those of sales that were corrected. */
export function refundsByShop(record: Pick<Record, 'refunds' | 'sales' | 'moved'>): Map<string, Refunded[]> {
  const all = record.refunds.flatMap((refund): Refunded[] => {
    const status = statusOf(refund)
    if (status !== null && status >= 300) return []
    const sentAt = refund.sendings[0]?.sentAt ?? 0
    const answered = refund.sendings.find((one) => one.status === status && status !== null)
    const isKept = (key: string): boolean => answered?.kept?.some((course) => key.endsWith(` in ${course}`)) ?? false
    return refundedKeys(record, refund).map((key) => ({
      refund,
      key,
      sentAt,
      at: answered?.answeredAt ?? Number.POSITIVE_INFINITY,
      isVerified: status === 200 && !isKept(key),
    }))
  })
  return Map.groupBy(all, ({ key }) => key)
}

function refundedKeys(record: Pick<Record, 'sales' | 'moved'>, { sale }: Refund): string[] {
  const corrected = record.sales.filter((one) => one.corrects === sale && one.sendings.some(({ status }) => status))
  const keys = [sale, ...corrected].flatMap((one) => one.courses.map((course) => keyOf(buyerOf(record, one), course)))
  return [...new Set(keys)]
}

/** Whether a sale is the one that was refunded, or corrects it. */
export const isOfSale = (sale: Sale, refunded: Sale): boolean =>
  sale.name === refunded.name || sale.corrects?.name === refunded.name

/** Refunded people who are in the course at the end, and refunds that the service has refused. */
export function checkRefunds(of: {
  record: Record
  has: ReadonlySet<string>
  salesOf: (key: string) => readonly Sale[]
  /** Whether another sale of the buyer keeps the course. */
  isKept: (key: string, refunded: Sale) => boolean
}): Violation[] {
  const { record, has, salesOf, isKept } = of
  const still = [...refundsByShop(record).values()].flat().flatMap(({ refund, key, sentAt, at }) => {
    const isNewer = salesOf(key).some(({ sendings }) => sendings.some((one) => (one.answeredAt ?? at) > sentAt))
    if (at === Number.POSITIVE_INFINITY || isNewer || !has.has(key) || isKept(key, refund.sale)) return []
    const rule = `5: ${key} at the end, although the refund of ${refund.sale.name} was answered ${statusOf(refund)}`
    return [{ rule, email: key.split(' ')[0] ?? null }]
  })
  const refused = record.refunds.flatMap((refund) => {
    const status = statusOf(refund)
    const { email, name } = refund.sale
    if (status === null || status < 300 || record.namesakes.has(email)) return []
    return [{ rule: `6: the refund of ${name}, which was accepted, is answered ${status}`, email }]
  })
  return [...still, ...refused]
}

/** Changes of the service for people who have bought nothing there. An allowance is that of a sale to its address. */
export function checkOthers(of: { record: Record; isBought: (key: string) => boolean }): Violation[] {
  const { record, isBought } = of
  const isSold = ({ kind, email, course }: Kept): boolean =>
    kind === 'disallowed' && record.sales.some((sale) => sale.email === email && sale.courses.includes(course))
  return record.kept
    .filter((one) => one.by === 'service' && !isBought(keyOfKept(record, one)) && !isSold(one))
    .map(({ kind, email, course }) => ({ rule: `7: ${kind} in ${course}, without a sale to this address`, email }))
}
