import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import type { DeliveryFilter } from './filter.ts'
import { search } from './search.ts'

/** A delivery is looked for among the first of a list that has other conditions than states. */
const LISTED = 500

export interface Neighbors {
  /** The delivery above it in the list, which was active later; null if there is none, or if it is far down the list. */
  readonly previous: string | null
  /** The delivery below it. */
  readonly next: string | null
}

/** Returns the neighbors of a delivery in the list with this filter. A delivery that isn't in the list has none. */
export async function neighborsOf({
  db,
  id,
  filter,
}: {
  db: Kysely<Tables>
  id: string
  filter: DeliveryFilter
}): Promise<Neighbors> {
  const { states, ...others } = filter
  if (Object.keys(others).length > 0) {
    const { found } = await search({ db, filter, after: null, limit: LISTED })
    const at = found.findIndex((one) => one.id === id)
    return { previous: found[at - 1]?.id ?? null, next: at < 0 ? null : (found[at + 1]?.id ?? null) }
  }
  const row = await db.selectFrom('deliveries').select(['active_at', 'state']).where('id', '=', id).executeTakeFirst()
  if (row === undefined || (states !== undefined && !states.includes(row.state))) return { previous: null, next: null }
  const { found } = await search({ db, filter, after: { activeAt: row.active_at, id }, limit: 1 })
  return { previous: await laterThan({ db, id, activeAt: row.active_at, states }), next: found[0]?.id ?? null }
}

/** The one with the next later activity, by the same indexes as the list, in the other direction. */
async function laterThan({
  db,
  id,
  activeAt,
  states,
}: {
  db: Kysely<Tables>
  id: string
  activeAt: number
  states: DeliveryFilter['states']
}): Promise<string | null> {
  const candidates: { id: string; active_at: number }[] = []
  for (const state of states === undefined ? [null] : new Set(states)) {
    let query = db.selectFrom('deliveries').select(['id', 'active_at']).where('active_at', '>=', activeAt)
    if (state !== null) query = query.where('state', '=', state)
    query = query.where((eb) => eb.or([eb('active_at', '>', activeAt), eb('id', '>', id)]))
    const row = await query.orderBy('active_at').orderBy('id').limit(1).executeTakeFirst()
    if (row !== undefined) candidates.push(row)
  }
  candidates.sort((a, b) => a.active_at - b.active_at || (a.id < b.id ? -1 : 1))
  return candidates[0]?.id ?? null
}
