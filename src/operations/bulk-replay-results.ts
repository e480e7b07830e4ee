import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { DeliveryState } from '../delivery/types.ts'

/** It looks up at most this many deliveries. */
const COUNT_MAX = 10_000

/** What came of the deliveries of a bulk replay, by their state now: of the first 10,000; `more`: there are more. */
export interface ReplayResults {
  readonly states: Readonly<Record<DeliveryState, number>>
  readonly more: boolean
}

/** See Operations.replayResults. */
export async function readResults(db: Kysely<Tables>, id: string): Promise<ReplayResults> {
  const some = db
    .selectFrom('replayed_deliveries')
    .select('delivery_id')
    .where('replay_id', '=', id)
    .orderBy('delivery_id')
    .limit(COUNT_MAX)
    .as('some')
  const row = await db
    .selectFrom(some)
    .innerJoin('deliveries', 'deliveries.id', 'some.delivery_id')
    .select(({ eb, fn }) => {
      const inState = (state: DeliveryState) =>
        fn.sum<number | null>(eb.case().when('state', '=', state).then(1).else(0).end())
      return [
        inState('queued').as('queued'),
        inState('enrolled').as('enrolled'),
        inState('pre_enrolled').as('pre_enrolled'),
        inState('needs_attention').as('needs_attention'),
        inState('rejected').as('rejected'),
        inState('handled').as('handled'),
        inState('withdrawn').as('withdrawn'),
      ]
    })
    .executeTakeFirstOrThrow()
  const further = db.selectFrom('replayed_deliveries').select('delivery_id').where('replay_id', '=', id)
  const next = await further.orderBy('delivery_id').offset(COUNT_MAX).limit(1).executeTakeFirst()
  return {
    states: {
      queued: Number(row.queued),
      enrolled: Number(row.enrolled),
      pre_enrolled: Number(row.pre_enrolled),
      needs_attention: Number(row.needs_attention),
      rejected: Number(row.rejected),
      handled: Number(row.handled),
      withdrawn: Number(row.withdrawn),
    },
    more: next !== undefined,
  }
}
