import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { DELIVERY_STATES, type DeliveryState } from '../../sale/types.ts'

export type StateCounts = Readonly<Record<DeliveryState, number>>

/** The states that need the service, the buyer or an operator. */
const BACKLOG = ['queued', 'pre_enrolled', 'needs_attention'] as const satisfies readonly DeliveryState[]
export type BacklogCounts = Pick<StateCounts, (typeof BACKLOG)[number]>

/** Counts the deliveries by their state, each once, in an index alone. */
export const countByState = (db: Kysely<Tables>): Promise<StateCounts> => countStates(db, DELIVERY_STATES)

/** Counts the deliveries in the states that need the service, the buyer or an operator. */
export const countBacklog = (db: Kysely<Tables>): Promise<BacklogCounts> => countStates(db, BACKLOG)

async function countStates(db: Kysely<Tables>, states: readonly DeliveryState[]): Promise<StateCounts> {
  const rows = await db
    .selectFrom('deliveries')
    .select(['state', ({ fn }) => fn.countAll<number>().as('count')])
    .where('state', 'in', states)
    .groupBy('state')
    .execute()
  return allStates(Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)])))
}

/** Counts the deliveries in all states. */
export const totalOf = (counts: Partial<StateCounts>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Adds the states that were counted nowhere. */
export const allStates = (counts: Partial<StateCounts>): StateCounts => {
  const none = { queued: 0, enrolled: 0, pre_enrolled: 0, needs_attention: 0, rejected: 0, handled: 0, withdrawn: 0 }
  return { ...none, ...counts }
}
