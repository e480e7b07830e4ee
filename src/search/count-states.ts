import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { DeliveryState } from '../delivery/types.ts'
import type { Position } from './candidates.ts'
import type { DeliveryFilter } from './filter.ts'
import { search } from './search.ts'

/** The deliveries that a search for a person or a course counts, and how many it reads at once. */
const COUNT_MAX = 100_000
const STEP = 1000

export interface StateCounts {
  readonly total: number
  readonly states: Readonly<Partial<Record<DeliveryState, number>>>
  /** Whether there are more: counting ended early. */
  readonly more: boolean
}

/**
 * Counts the deliveries that match a filter, in total and by state. States and times are counted in an index and always
 * exactly; matches of a person or a course up to 100,000.
 */
export async function countStates({
  db,
  filter,
}: {
  db: Kysely<Tables>
  filter: DeliveryFilter
}): Promise<StateCounts> {
  const { states, from, to, ...narrow } = filter
  if (Object.values(narrow).some((one) => one !== undefined)) return countFound({ db, filter })
  let query = db.selectFrom('deliveries').select(['state', ({ fn }) => fn.countAll<number>().as('count')])
  if (states !== undefined) query = query.where('state', 'in', states)
  if (from !== undefined) query = query.where('active_at', '>=', from)
  if (to !== undefined) query = query.where('active_at', '<', to)
  const rows = await query.groupBy('state').execute()
  return summed(new Map(rows.map(({ state, count }) => [state, Number(count)])), false)
}

async function countFound({ db, filter }: { db: Kysely<Tables>; filter: DeliveryFilter }): Promise<StateCounts> {
  const counts = new Map<DeliveryState, number>()
  let after: Position | null = null
  for (let read = 0; read < COUNT_MAX; read += STEP) {
    const { found, next } = await search({ db, filter, after, limit: STEP })
    for (const { state } of found) counts.set(state, (counts.get(state) ?? 0) + 1)
    after = next
    if (next === null) break
  }
  return summed(counts, after !== null)
}

function summed(counts: ReadonlyMap<DeliveryState, number>, more: boolean): StateCounts {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return { total, states: Object.fromEntries(counts), more }
}
