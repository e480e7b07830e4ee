import { eventOfState } from '../../../src/queue/outbox/outbox.ts'
import { DELIVERY_STATES } from '../../../src/sale/types.ts'
import type { Got } from '../../shop/events/receiver.ts'
import type { Violation } from './check.ts'
import { keyOf, type Record } from './record.ts'
import type { Row } from './shop.ts'

type Told = Pick<Got, 'type' | 'webhookId' | 'sequence' | 'data'>

/**
 * Deliveries whose events came to the shop in another order than their numbers say, or of which it has heard something
 * else last than what is stored, or that the access ended although nobody but the service took the buyer out. An event that
 * came several times counts once.
 */
export function checkEvents(of: {
  got: readonly Told[]
  rows: Iterable<Row>
  record: Pick<Record, 'kept' | 'lost'>
}): Violation[] {
  const { kept, lost } = of.record
  const takenAway = new Set(
    kept.flatMap((one) => (one.by !== 'service' && one.kind === 'unenrolled' ? keyOf(one.email, one.course) : [])),
  )
  const firsts = new Map<string, Told>()
  for (const one of of.got) if (!firsts.has(one.webhookId)) firsts.set(one.webhookId, one)
  const toldOf = Map.groupBy(firsts.values(), ({ data }) => data.id)
  return [...of.rows].flatMap(({ id, email, state }) => {
    const told = toldOf.get(id) ?? []
    const numbers = told.map(({ sequence }) => sequence)
    if (numbers.some((one, i) => i > 0 && one <= (numbers[i - 1] ?? 0))) {
      return [{ rule: `8: the events of ${id} came in the order ${numbers.join(', ')}`, email }]
    }
    const ended = told.filter(({ type }) => type === 'delivery.access_ended').flatMap(({ data }) => data.ended)
    const wrong = ended.find(
      ({ id: course }) => !takenAway.has(keyOf(email, course)) && !lost.has(keyOf(email, course)),
    )
    if (wrong !== undefined) return [{ rule: `8: ${id} was told as ended in ${wrong.id}`, email }]
    const known = DELIVERY_STATES.find((one) => one === state)
    if (known === undefined || eventOfState(known) === null) return []
    const states = told.map(({ data }) => data.state)
    if (states.at(-1) === state) return []
    return [{ rule: `8: ${id} is ${state}, and the shop was told: ${states.join(', ') || 'nothing'}`, email }]
  })
}
