import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { DELIVERY_STATES, type DeliveryState } from '../delivery/types.ts'

/** Counting stops here, so that it reads at most this many entries of an index for each state. */
const COUNT_MAX = 10_000

/** How many deliveries there are; `more`: there are more than the 10,000 that were counted. */
export interface Count {
  readonly count: number
  readonly more: boolean
}

export type StateCounts = Readonly<Record<DeliveryState, Count>>

/** Counts the deliveries by their state, each once. */
export async function countByState(db: Kysely<Tables>): Promise<StateCounts> {
  const counts = new Map<DeliveryState, Count>()
  for (const state of DELIVERY_STATES) {
    const some = db
      .selectFrom('deliveries')
      .select('id')
      .where('state', '=', state)
      .limit(COUNT_MAX + 1)
    const counted = db.selectFrom(some.as('some')).select(({ fn }) => fn.countAll<number>().as('count'))
    const count = Number((await counted.executeTakeFirstOrThrow()).count)
    counts.set(state, { count: Math.min(count, COUNT_MAX), more: count > COUNT_MAX })
  }
  const of = (state: DeliveryState): Count => counts.get(state) ?? { count: 0, more: false }
  return {
    queued: of('queued'),
    enrolled: of('enrolled'),
    pre_enrolled: of('pre_enrolled'),
    needs_attention: of('needs_attention'),
    rejected: of('rejected'),
    handled: of('handled'),
    withdrawn: of('withdrawn'),
  }
}
