import { eventOfState } from '../../../src/queue/outbox/outbox.ts'
import { DELIVERY_STATES } from '../../../src/sale/types.ts'
import type { Got } from '../../shop/events/receiver.ts'
import type { Violation } from './check.ts'
import { buyerOf, keyOf, keyOfKept, type Record, type Sale } from './record.ts'
import type { Row } from './shop.ts'

type Told = Pick<Got, 'type' | 'webhookId' | 'sequence' | 'data'>
type Known = Pick<Record, 'sales' | 'kept' | 'lost' | 'moved' | 'access'>

/**
 * Deliveries whose events came to the shop in another order than their numbers say, or of which it has heard something
 * else last than what is stored, or something wrong about access that ended. An event that came several times counts once.
 * @param of.rows by the name of their sale
 */
export function checkEvents(of: { got: readonly Told[]; rows: ReadonlyMap<string, Row>; record: Known }): Violation[] {
  const { record, rows } = of
  const firsts = new Map<string, Told>()
  for (const one of of.got) if (!firsts.has(one.webhookId)) firsts.set(one.webhookId, one)
  const toldOf = Map.groupBy(firsts.values(), ({ data }) => data.id)
  return record.sales.flatMap((sale) => {
    const row = rows.get(sale.name)
    if (row === undefined) return []
    const told = toldOf.get(row.id) ?? []
    const rule = wrongOrder(told) ?? wrongAccess(record, sale, told) ?? wrongLast(row, told)
    return rule === null ? [] : [{ rule: `8: ${sale.name}, delivery ${row.id}, ${rule}`, email: buyerOf(record, sale) }]
  })
}

function wrongOrder(told: readonly Told[]): string | null {
  const numbers = told.map(({ sequence }) => sequence)
  const isWrong = numbers.some((one, i) => i > 0 && one <= (numbers[i - 1] ?? 0))
  return isWrong ? `has events in the order ${numbers.join(', ')}` : null
}

function wrongLast({ state }: Row, told: readonly Told[]): string | null {
  const known = DELIVERY_STATES.find((one) => one === state)
  if (known === undefined || eventOfState(known) === null) return null
  const states = told.map(({ data }) => data.state)
  return states.at(-1) === state ? null : `is ${state}, and the shop was told: ${states.join(', ') || 'nothing'}`
}

/**
 * Access ends only if somebody else than the service took the buyer out, once for each time, and of what the delivery still
 * had: a course that was withdrawn here has left its courses. What a round finds for a delivery is one event.
 */
function wrongAccess(record: Known, sale: Sale, told: readonly Told[]): string | null {
  const person = buyerOf(record, sale)
  let before: Told['data'] | null = null
  let earlier: Told['data'] | null = null
  let last = ''
  const sinceOf = new Map<string, string>()
  const endings = new Map<string, number>()
  for (const { type, webhookId, data } of told) {
    const wasEnded = (course: string): boolean => before?.ended.some(({ id }) => id === course) ?? false
    if (type === 'delivery.access_ended') {
      const news = data.ended.filter(({ id }) => !wasEnded(id))
      if (news.length === 0) return 'was told as ended, and nothing had ended since the event before'
      for (const { id: course, since } of news) {
        const count = (endings.get(course) ?? 0) + 1
        endings.set(course, count)
        if (count > timesTakenAway(record, keyOf(person, course))) {
          return `was told as ended in ${course} ${count} times, more often than somebody took the buyer out`
        }
        if (before?.courses.some(({ id, result }) => id === course && result === 'enrolled') === false) {
          return `was told as ended in ${course}, which the delivery no longer had`
        }
        if ((sinceOf.get(since) ?? webhookId) !== webhookId) return `was told of one round in two events (${since})`
        sinceOf.set(since, webhookId)
      }
    }
    // A look that finds one course gone and another one back makes two events, which say the same of the delivery.
    const isSameLook = last === 'delivery.access_ended' && JSON.stringify(before) === JSON.stringify(data)
    if (!isSameLook) earlier = before
    if (type === 'delivery.access_restored' && !earlier?.ended.some(({ id }) => !hasEnded(data, id))) {
      return `was told as restored, and nothing was back since the event before (${JSON.stringify([earlier, data])})`
    }
    before = data
    last = type
  }
  for (const [course, is] of record.access.get(sale) ?? []) {
    if (before !== null && hasEnded(before, course) !== (is === 'ended')) {
      return `was never told that the access to ${course} is ${is}`
    }
  }
  return null
}

const hasEnded = ({ ended }: Told['data'], course: string): boolean => ended.some(({ id }) => id === course)

/** How often somebody else than the service took a person out of a course, by keyOf. */
function timesTakenAway(record: Known, key: string): number {
  const taken = record.kept.filter(
    (one) => one.by !== 'service' && one.kind === 'unenrolled' && keyOfKept(record, one) === key,
  )
  return taken.length + (record.lost.has(key) ? 1 : 0)
}
