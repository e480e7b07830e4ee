import type { SelectQueryBuilder } from 'kysely'
import type { Db, Tables } from '../../database/schema.ts'
import {
  along,
  between,
  indexOfOrder,
  LISTED_COLUMNS,
  type Listed,
  type Position,
  readInOrder,
  stretches,
} from '../../queue/in-order.ts'
import { readSaleId } from '../../queue/webhook-ids.ts'
import { DONE_STATES } from '../../sale/types.ts'
import { countsOf, type StateCounts, totalOf } from '../reports/counts.ts'
import { BEFORE_MS, type DeliveryFilter, isTypedAddress, meeting, wordsOf } from './filter.ts'

/** A search through texts stops after this time, ms, and the page says how far back it came. */
const WITHIN_MS = 120
/** The beginning of an id has to be this long: it then names a few deliveries. */
const ID_BEGINNING = /^[0-9A-Z]{8,26}$/
const IDS_MAX = 100
/** Appended to a text, it sorts after every text that begins with it, in both kinds of databases. */
const LAST = '\u{10ffff}'

interface Matches {
  /** Newest activity first. */
  readonly found: readonly Listed[]
  /** The position to continue from; null if there are no more. */
  readonly next: Position | null
  /** Whether its time was over before it found `limit` deliveries. */
  readonly cut: boolean
}

/**
 * Finds up to `limit` deliveries after a position, in the order of the list. A text that is an address, or the id or the
 * webhook-id of a delivery, is looked up by an index. A search for another text, or for a course, walks through the
 * texts of the list until its time is over.
 * @param of.withinMs how long it walks
 */
export async function search(
  db: Db,
  of: { filter: DeliveryFilter; after: Position | null; limit: number; withinMs?: number },
): Promise<Matches> {
  const { filter, after, limit, withinMs = WITHIN_MS } = of
  const plan = await planOf(db, filter)
  if (plan === null) return page([], limit)
  if (plan.isInOrder) return page(await readInOrder({ db, range: filter, after, limit: limit + 1 }), limit)
  const began = performance.now()
  const found: Listed[] = []
  for await (const stretch of plan.stretches(after)) {
    const rows = await between(plan.from().select(LISTED_COLUMNS), stretch)
      .orderBy('active_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1 - found.length)
      .execute()
    found.push(...rows)
    if (found.length > limit || stretch.last === null) break
    if (performance.now() - began > withinMs) return { found, next: stretch.last, cut: true }
  }
  return page(found, limit)
}

/** Counts the deliveries that a filter finds, by state: exactly, however long it takes. */
export const countFound = async (db: Db, filter: DeliveryFilter): Promise<StateCounts> =>
  countsOf(await tally(db, filter))

/** Counts those that were rejected for their payload. Some of these were handled since, and contain no sale. */
export async function countRefused(db: Db, { states, ...filter }: DeliveryFilter): Promise<number> {
  const among = (['rejected', 'handled'] as const).filter((state) => states?.includes(state) ?? true)
  const refused = (from: Deliveries) =>
    from.where((eb) => eb.or([eb('state', '=', 'rejected'), eb('request', 'is', null)]))
  return totalOf(countsOf(await tally(db, { ...filter, states: among }, refused)))
}

/** How many there are by state, in stretches. `among`: of those with a further condition. */
async function tally(db: Db, filter: DeliveryFilter, among = (from: Deliveries) => from) {
  const plan = await planOf(db, filter)
  if (plan === null) return []
  const tallied = []
  for await (const stretch of plan.stretches(null)) {
    const counted = among(plan.from()).select(({ fn }) => ['state', fn.countAll<number>().as('count')])
    tallied.push(...(await between(counted, stretch).groupBy('state').execute()))
  }
  return tallied
}

/** Whether a filter can find nothing. */
const isNone = ({ states, ids, find }: DeliveryFilter): boolean =>
  states?.length === 0 || ids?.length === 0 || (find !== undefined && wordsOf(find).length === 0)

type Deliveries = SelectQueryBuilder<Tables, 'deliveries', object>

/**
 * Decides where a search looks: in the list as it is, in an index as a whole, or in stretches of the list, whose texts it
 * walks through. Returns a query with the conditions; null if the filter can find nothing.
 */
async function planOf(db: Db, wanted: DeliveryFilter) {
  const filter = narrowed(wanted)
  if (isNone(filter)) return null
  const whole = (after: Position | null) => [{ after, last: null }]
  const { find, ...rest } = filter
  if (find !== undefined) {
    const ids = await idsOf(db, find)
    const from = () => meeting(along(db, null), rest).where('id', 'in', ids)
    if (ids.length > 0) return { isInOrder: false, from, stretches: whole }
  }
  const known = find !== undefined && isTypedAddress(find) ? { ...rest, email: find } : filter
  const index = indexFor(known)
  if (index !== undefined) return { isInOrder: false, from: () => meeting(along(db, index), known), stretches: whole }
  const { course, cause, sales, ended, received, receivedTo, waited, startable } = known
  const isText = [known.find, course, cause, sales, ended, received, receivedTo, waited, startable].some(
    (one) => one !== undefined,
  )
  const walk = (after: Position | null) => stretches({ db, range: rangeOf(filter), after })
  const from = () => meeting(along(db, indexOfOrder(known)), known)
  return { isInOrder: !isText, from, stretches: isText ? walk : whole }
}

/** Access ends only where all courses are done, also if one of them waits, so a walk can read the index of these states. */
const narrowed = (filter: DeliveryFilter): DeliveryFilter =>
  filter.ended ? { ...filter, states: DONE_STATES.filter((one) => filter.states?.includes(one) ?? true) } : filter

/** A delivery is never active before it is received, so a walk can end there. */
function rangeOf({ received, waited, ...filter }: DeliveryFilter): DeliveryFilter {
  const bounds = [received, waited === undefined ? undefined : waited.from - BEFORE_MS, filter.from]
  const from = bounds.filter((one) => one !== undefined)
  return from.length === 0 ? filter : { ...filter, from: Math.max(...from) }
}

/** The index that leads to few rows, which are sorted afterwards; null for the primary key. */
function indexFor({ ids, replay, email, username, cause, states }: DeliveryFilter): string | null | undefined {
  if (ids !== undefined || replay !== undefined) return null
  if (email !== undefined) return 'deliveries_email'
  if (username !== undefined) return 'deliveries_username'
  return cause === undefined || states === undefined ? undefined : 'deliveries_cause'
}

/** The deliveries whose own id begins with a text, or whose webhook-id it is. */
async function idsOf(db: Db, text: string): Promise<string[]> {
  const named = await readSaleId(db, text)
  const begun = ID_BEGINNING.test(text.toUpperCase()) ? await idsBeginning(db, { text, limit: IDS_MAX }) : []
  return [...(named === null ? [] : [named]), ...begun]
}

/** The ids that begin with a text, in any letter case, in their order. */
export async function idsBeginning(db: Db, { text, limit }: { text: string; limit: number }): Promise<string[]> {
  const first = text.toUpperCase()
  const ids = db
    .selectFrom('deliveries')
    .select('id')
    .where('id', '>=', first)
    .where('id', '<=', first + LAST)
  return (await ids.orderBy('id').limit(limit).execute()).map(({ id }) => id)
}

function page(found: readonly Listed[], limit: number): Matches {
  const items = found.slice(0, limit)
  return { found: items, next: found.length > limit ? (items.at(-1) ?? null) : null, cut: false }
}

/** A delivery is looked for among the first of the list: one that is further down has no neighbors. */
const LISTED = 500

export interface Neighbors {
  /** The delivery above it in the list, which was active later; null if there is none. */
  readonly previous: string | null
  /** The delivery below it. */
  readonly next: string | null
}

/** Returns the neighbors of a delivery in the list with this filter. A delivery that isn't in the list has none. */
export async function neighborsOf(db: Db, { id, filter }: { id: string; filter: DeliveryFilter }): Promise<Neighbors> {
  const { found } = await search(db, { filter, after: null, limit: LISTED })
  const at = found.findIndex((one) => one.id === id)
  return { previous: found[at - 1]?.id ?? null, next: at < 0 ? null : (found[at + 1]?.id ?? null) }
}
