import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { DeliveryState } from '../delivery/types.ts'

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
  return {
    ...(await countBacklog(db)),
    enrolled: await countState(db, 'enrolled'),
    rejected: await countState(db, 'rejected'),
    handled: await countState(db, 'handled'),
    withdrawn: await countState(db, 'withdrawn'),
  }
}

export type BacklogCounts = Pick<StateCounts, 'queued' | 'pre_enrolled' | 'needs_attention'>

/** Counts the deliveries in the states that need the service, the buyer or an operator. */
export async function countBacklog(db: Kysely<Tables>): Promise<BacklogCounts> {
  return {
    queued: await countState(db, 'queued'),
    pre_enrolled: await countState(db, 'pre_enrolled'),
    needs_attention: await countState(db, 'needs_attention'),
  }
}

async function countState(db: Kysely<Tables>, state: DeliveryState): Promise<Count> {
  const some = db
    .selectFrom('deliveries')
    .select('id')
    .where('state', '=', state)
    .limit(COUNT_MAX + 1)
  const counted = db.selectFrom(some.as('some')).select(({ fn }) => fn.countAll<number>().as('count'))
  const count = Number((await counted.executeTakeFirstOrThrow()).count)
  return { count: Math.min(count, COUNT_MAX), more: count > COUNT_MAX }
}
