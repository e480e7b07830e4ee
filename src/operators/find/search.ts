import type { Kysely, SelectQueryBuilder } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import {
  along,
  between,
  COLUMNS,
  indexOfOrder,
  type Listed,
  listed,
  type Position,
  readInOrder,
  stretches,
} from '../../queue/in-order.ts'
import type { DeliveryState } from '../../sale/types.ts'
import { type DeliveryFilter, meeting } from './filter.ts'

/** A search through texts stops after this time, ms, and the page says how far back it came. */
const WITHIN_MS = 120
/** The beginning of an id has to be this long: it then names a few deliveries. */
const ID_BEGINNING = /^[0-9A-Z]{8,26}$/
const IDS_MAX = 100
/** A text that can only be one whole address. */
const ADDRESS = /^[^\s@]+@[^\s@]+\.[^\s@.]{2,}$/
/** Appended to a text, it sorts after every text that begins with it, in both kinds of databases. */
const LAST = '\u{10ffff}'

export interface Matches {
  /** Newest activity first. */
  readonly found: readonly Listed[]
  /** The position to continue from; null if there are no more. */
  readonly next: Position | null
  /** Whether its time was over before it found `limit` deliveries. */
  readonly cut: boolean
}

interface Search {
  readonly db: Kysely<Tables>
  readonly filter: DeliveryFilter
}

/**
 * Finds up to `limit` deliveries after a position, in the order of the list. A text that is an address, or the id or the
 * webhook-id of a delivery, is looked up by an index. A search for another text, or for a course, walks through the
 * texts of the list until its time is over.
 * @param of.withinMs how long it walks
 */
export async function search({
  db,
  filter,
  after,
  limit,
  withinMs = WITHIN_MS,
}: Search & { after: Position | null; limit: number; withinMs?: number }): Promise<Matches> {
  if (filter.states?.length === 0) return page([], limit)
  const { kind, from } = await planOf({ db, filter })
  if (kind === 'order') return page(await readInOrder({ db, range: filter, after, limit: limit + 1 }), limit)
  const began = performance.now()
  const found: Listed[] = []
  for await (const stretch of kind === 'walk' ? stretches({ db, range: filter, after }) : [{ after, last: null }]) {
    const rows = await between(from().select(COLUMNS), stretch)
      .orderBy('active_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1 - found.length)
      .execute()
    found.push(...rows.map(listed))
    if (found.length > limit || stretch.last === null) break
    if (performance.now() - began > withinMs) return { found, next: stretch.last, cut: true }
  }
  return page(found, limit)
}

/**
 * Counts the deliveries that a filter finds, by state: exactly, however long it takes.
 * @param of.withoutSale only those whose payload contains no sale
 */
export async function countFound({
  db,
  filter,
  withoutSale = false,
}: Search & { withoutSale?: boolean }): Promise<Readonly<Partial<Record<DeliveryState, number>>>> {
  if (filter.states?.length === 0) return {}
  const { kind, from } = await planOf({ db, filter })
  const counts = new Map<DeliveryState, number>()
  const whole = [{ after: null, last: null }]
  for await (const stretch of kind === 'walk' ? stretches({ db, range: filter, after: null }) : whole) {
    const some = withoutSale ? from().where('request', 'is', null) : from()
    const counted = some.select(['state', ({ fn }) => fn.countAll<number>().as('count')])
    for (const { state, count } of await between(counted, stretch).groupBy('state').execute()) {
      counts.set(state, (counts.get(state) ?? 0) + Number(count))
    }
  }
  return Object.fromEntries(counts)
}

/** Where a search looks: in the list as it is, in an index, or in the texts of the list; and a query with its conditions. */
interface Plan {
  readonly kind: 'order' | 'index' | 'walk'
  readonly from: () => Deliveries
}
type Deliveries = SelectQueryBuilder<Tables, 'deliveries', object>

async function planOf({ db, filter }: Search): Promise<Plan> {
  const { find, ...rest } = filter
  if (find !== undefined) {
    const ids = await idsOf(db, find)
    if (ids.length > 0) return { kind: 'index', from: () => meeting(along(db, null), rest).where('id', 'in', ids) }
  }
  const known = find !== undefined && ADDRESS.test(find) ? { ...rest, email: find } : filter
  const index = indexFor(known)
  if (index !== undefined) return { kind: 'index', from: () => meeting(along(db, index), known) }
  const isText = known.find !== undefined || known.course !== undefined || known.cause !== undefined
  return { kind: isText ? 'walk' : 'order', from: () => meeting(along(db, indexOfOrder(known)), known) }
}

/** The index that leads to few rows, which are sorted afterwards; null for the primary key. */
function indexFor({ id, replay, email, username, cause, states }: DeliveryFilter): string | null | undefined {
  if (id !== undefined || replay !== undefined) return null
  if (email !== undefined) return 'deliveries_email'
  if (username !== undefined) return 'deliveries_username'
  return cause === undefined || states === undefined ? undefined : 'deliveries_cause'
}

/** The deliveries whose own id begins with a text, or whose webhook-id it is. */
async function idsOf(db: Kysely<Tables>, text: string): Promise<string[]> {
  const named = await db.selectFrom('deliveries').select('id').where('webhook_id', '=', text).execute()
  const low = text.toUpperCase()
  const begun = ID_BEGINNING.test(low)
    ? await db
        .selectFrom('deliveries')
        .select('id')
        .where('id', '>=', low)
        .where('id', '<=', low + LAST)
        .limit(IDS_MAX)
        .execute()
    : []
  return [...named, ...begun].map(({ id }) => id)
}

function page(found: readonly Listed[], limit: number): Matches {
  const items = found.slice(0, limit)
  return { found: items, next: found.length > limit ? (items.at(-1) ?? null) : null, cut: false }
}
