import { eventOfState } from '../../../src/sale/shop-view.ts'
import { DELIVERY_STATES } from '../../../src/sale/types.ts'
import type { Got } from '../../shop/events/receiver.ts'
import type { Violation } from './check.ts'
import type { Row } from './shop.ts'

/**
 * Deliveries of which the shop has heard something else last than what is stored: their events came in another order
 * than they were stored, or one is missing. An event that came several times counts once.
 */
export function checkEvents(of: { got: readonly Pick<Got, 'webhookId' | 'data'>[]; rows: Iterable<Row> }): Violation[] {
  const firsts = new Map<string, Pick<Got, 'data'>>()
  for (const one of of.got) if (!firsts.has(one.webhookId)) firsts.set(one.webhookId, one)
  const toldOf = Map.groupBy(
    [...firsts.values()].map(({ data }) => data),
    ({ id }) => id,
  )
  return [...of.rows].flatMap(({ id, email, state }) => {
    const known = DELIVERY_STATES.find((one) => one === state)
    if (known === undefined || eventOfState(known) === null) return []
    const told = (toldOf.get(id) ?? []).map((one) => one.state)
    if (told.at(-1) === state) return []
    return [{ rule: `8: ${id} is ${state}, and the shop was told: ${told.join(', ') || 'nothing'}`, email }]
  })
}
