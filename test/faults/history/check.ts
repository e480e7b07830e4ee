import type { State } from '../../harness.ts'
import { checkOthers, checkRefunds, isOfSale, refundsByShop } from './check-refunds.ts'
import { isThrottled } from './faults.ts'
import { FAILING } from './lms.ts'
import {
  buyerOf,
  type Called,
  type Kept,
  keyOf,
  keyOfKept,
  personAt,
  type Record,
  type Sale,
  type Sending,
} from './record.ts'
import type { Row } from './shop.ts'

export interface Violation {
  readonly rule: string
  /** null if it is not about one person. */
  readonly email: string | null
}

const MINUTE_MS = 60_000
const ACCEPTED = [200, 202, 500] // 500 says that the sale is stored

/** Returns the violations in the record, the stored deliveries and the LMS at the end. `mostCalls` is the limit a minute. */
export function check(from: {
  record: Record
  rows: ReadonlyMap<string, Row>
  state: State
  before: State
  mostCalls: number
}): Violation[] {
  const { record, rows, state, before, mostCalls } = from
  const refunds = refundsIn(record)
  const byShop = refundsByShop(record)
  const bought = Map.groupBy(
    record.sales.flatMap((sale) => sale.courses.map((course) => ({ sale, key: keyOf(buyerOf(record, sale), course) }))),
    ({ key }) => key,
  )
  const salesOf = (key: string): Sale[] => (bought.get(key) ?? []).map(({ sale }) => sale)
  /** Whether the buyer bought the course with another sale, too, which nobody refunds, or which came again since. */
  const isKept = (key: string, refunded: Sale): boolean => salesOf(key).some((sale) => keeps(sale, key, refunded))
  const keeps = (sale: Sale, key: string, refunded: Sale): boolean =>
    isAccepted(sale) &&
    !isOfSale(sale, refunded) &&
    !isReplaced(sale) &&
    !(byShop.get(key) ?? []).some(({ refund, sentAt }) => isOfSale(sale, refund.sale) && !cameAfter(sale, sentAt))
  /** By operators and, as soon as the service has confirmed them, by the shop. */
  const refundsOf = (key: string): { at: number }[] =>
    [
      ...(refunds.get(key) ?? []),
      ...(byShop.get(key) ?? []).filter(({ isVerified, refund }) => isVerified && !isKept(key, refund.sale)),
    ].sort((a, b) => a.at - b.at)
  const isReplaced = (sale: Sale): boolean => record.sales.some((other) => other.corrects === sale && isAccepted(other))
  const isAccepted = ({ name, sendings }: Sale): boolean => rows.has(name) || sendings.some(wasAccepted)
  const has = pairsIn(state, record)
  const had = pairsIn(before, record)

  const missing = record.sales.flatMap((sale) =>
    sale.courses
      .filter((course) => course !== FAILING && !has.has(keyOf(buyerOf(record, sale), course)))
      .filter((course) => {
        const key = keyOf(buyerOf(record, sale), course)
        const ownRefunds = (byShop.get(key) ?? []).filter(({ refund }) => isOfSale(sale, refund.sale))
        const refunded = [...(refunds.get(key) ?? []), ...ownRefunds]
        const row = rows.get(sale.name)
        // A refund of another sale may have taken the buyer out late, so that an operator has to tell what is wanted.
        const anyRefund = refunded.length + (byShop.get(key) ?? []).length > 0
        if (anyRefund && row?.reason === 'person.unenrolled') return false
        if (isReplaced(sale) || record.lost.has(key)) return false
        // An operator has to tell who the buyer is.
        if (record.namesakes.has(sale.email) && row?.state === 'needs_attention') return false
        return mustHave({ sale, isStored: rows.has(sale.name), refunds: refunded })
      })
      .map((course) => {
        const row = rows.get(sale.name)
        const rule = `1: ${sale.name} was accepted and is not in ${course} (stored as: ${row?.state ?? 'nothing'} ${row?.reason ?? ''})`
        return { rule, email: sale.email }
      }),
  )
  const returned = record.kept.flatMap((one) => {
    const key = keyOfKept(record, one)
    if (one.by !== 'service' || (one.kind !== 'enrolled' && one.kind !== 'allowed')) return []
    if (isUndone(record, one)) return []
    const refund = refundsOf(key).findLast(({ at }) => at < one.at)
    if (refund === undefined || one.beganAt <= refund.at) return []
    if (salesOf(key).some((sale) => mayFollow({ sale, refund, one, record }))) return []
    const rule = `2: ${one.kind} again in ${one.course} ${one.at - refund.at} ms after the refund, and nothing was sent since`
    return [{ rule, email: one.email }]
  })
  const strangers = [...has]
    .filter((key) => !had.has(key) && !record.placed.has(key) && !salesOf(key).some(isAccepted))
    .map((key) => ({ rule: `3: ${key}, which no accepted sale is for`, email: key.split(' ')[0] ?? null }))
  const worst = busiestMinute(record.calls)
  const rule = `4: ${worst} throttled calls in a minute, where ${mostCalls} are allowed`
  const overspent = worst > mostCalls ? [{ rule, email: null }] : []
  const isBought = (key: string): boolean => salesOf(key).some(isAccepted)
  const ofShop = [...checkRefunds({ record, has, salesOf, isKept }), ...checkOthers({ record, isBought })]
  return [...missing, ...returned, ...strangers, ...overspent, ...ofShop]
}

/**
 * Whether the same call took the person out again: of an inactive enrollment that it is to deactivate, the LMS makes an
 * active one first, in the same transaction.
 */
const isUndone = (record: Record, one: Kept): boolean =>
  record.kept.some(
    ({ kind, by, beganAt, at, ...other }) =>
      kind === 'unenrolled' &&
      by === one.by &&
      beganAt === one.beganAt &&
      at === one.at &&
      other.course === one.course &&
      other.email === one.email,
  )

/** Returns the operators' refunds, oldest first, by person and course. */
export const refundsIn = (record: Pick<Record, 'kept' | 'moved'>): Map<string, Kept[]> =>
  Map.groupBy(
    record.kept.filter(({ by, kind }) => by === 'operator' && (kind === 'unenrolled' || kind === 'disallowed')),
    (one) => keyOfKept(record, one),
  )

/** Whether a webhook of this sale may have come after that time. */
const cameAfter = ({ sendings }: Sale, at: number): boolean =>
  sendings.some(({ answeredAt }) => (answeredAt ?? at + 1) > at)

const wasAccepted = ({ status }: Sending): boolean => status !== null && ACCEPTED.includes(status)

/** Whether one of its webhooks was accepted and no refund came after that webhook was sent. */
function mustHave({
  sale,
  isStored,
  refunds,
}: {
  sale: Sale
  isStored: boolean
  refunds: readonly { at: number }[]
}): boolean {
  // If a sale is stored without an answer, any of its webhooks may have been stored, so a refund may have come later.
  if (isStored && refunds.length === 0) return true
  return sale.sendings.some((one) => wasAccepted(one) && refunds.every(({ at }) => at < one.sentAt))
}

/** Whether a webhook of this sale may have been received between a refund and the later change in the LMS. */
function mayFollow(from: { sale: Sale; refund: { at: number }; one: Kept; record: Record }): boolean {
  const { sale, refund, one, record } = from
  const first = record.kept.find(
    (other) =>
      other.by === 'service' && other.kind !== 'disallowed' && keyOfKept(record, other) === keyOfKept(record, one),
  )
  return sale.sendings.some((sending, i) => {
    // If a connection ended without an answer, it is unknown when its webhook was stored.
    const bounds = [sending.status === null ? null : sending.answeredAt]
    if (i === 0) bounds.push(sale.storedAt)
    // If there was only one webhook, a change in the LMS shows that it had been received.
    if (i === 0 && sale.sendings.length === 1 && isOnly(record, sale)) bounds.push(first?.at ?? null)
    const receivedBy = Math.min(...bounds.map((at) => at ?? Number.POSITIVE_INFINITY))
    return sending.sentAt <= one.at && receivedBy >= refund.at
  })
}

const isOnly = (record: Record, sale: Sale): boolean =>
  record.sales.every((other) => other === sale || other.email !== sale.email)

/** Returns the largest number of throttled calls in any minute. */
export function busiestMinute(calls: readonly Called[]): number {
  const times = calls.filter(isThrottled).map(({ at }) => at)
  let begin = 0
  let worst = 0
  times.forEach((at, end) => {
    while (at - (times[begin] ?? at) >= MINUTE_MS) begin++
    worst = Math.max(worst, end - begin + 1)
  })
  return worst
}

/** Returns who is enrolled in which course, or will be on activation. An allowance of an active account has no effect. */
export function pairsIn({ enrollments, allowances }: State, record: Pick<Record, 'registered' | 'moved'>): Set<string> {
  const active = enrollments.filter((row) => row.active)
  const waiting = allowances.filter(
    (row) => row.auto_enroll && !row.used && record.registered.get(row.email)?.isActive !== true,
  )
  const keyAtEnd = ({ email, course }: { email: string; course: string }): string =>
    keyOf(personAt(record, email, Number.POSITIVE_INFINITY), course)
  return new Set([...active, ...waiting].map(keyAtEnd))
}
