import { setImmediate as turn } from 'node:timers/promises'
import { type SelectQueryBuilder, sql } from 'kysely'
import type { Db, DeliveryRow, Tables } from '../database/schema.ts'

/** A position in the list of deliveries: newest activity first, then by id, the later id first. */
export interface Position {
  readonly activeAt: number
  readonly id: string
}

/** A delivery in a list. */
export interface Listed extends Position {
  readonly state: DeliveryRow['state']
}

/** The rows of one statement: a few ms of SQLite, which blocks the process meanwhile. */
const STEP = 500

/** What Listed has of a row. */
export const LISTED_COLUMNS = ['id', 'active_at as activeAt', 'state'] as const
const COLUMNS = ['id', 'active_at', 'state'] as const
type LightRow = Pick<DeliveryRow, (typeof COLUMNS)[number]>

/** Deliveries in these states, last active from `from` (inclusive) to `to` (exclusive), ms since 1970. */
interface Range {
  readonly states?: readonly DeliveryRow['state'][] | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/**
 * Returns up to `limit` deliveries in these states and times after a position, in the order of the list. It reads the
 * indexes by state or by time alone, and no more entries than it returns for each state.
 */
export const readInOrder = (of: { db: Db; range: Range; after: Position | null; limit: number }): Promise<Listed[]> =>
  inOrder(of).execute()

/** As readInOrder, as a query. Each state has its own part, because no index has the order of several states. */
function inOrder({
  db,
  range: { states, from, to },
  after,
  limit,
}: {
  db: Db
  range: Range
  after: Position | null
  limit: number
}): SelectQueryBuilder<{ some: LightRow }, 'some', Listed> {
  const part = (state: DeliveryRow['state'] | null | undefined) => {
    let some = between(along(db, indexOfOrder({ states })).select(COLUMNS), { after, last: null })
    if (state !== null && state !== undefined) some = some.where('state', '=', state)
    if (from !== undefined) some = some.where('active_at', '>=', from)
    if (to !== undefined) some = some.where('active_at', '<', to)
    return db.selectFrom(sorted(some).limit(limit).as('part')).select(COLUMNS)
  }
  const [first, ...more] = states === undefined ? [null] : new Set(states)
  const all = more.reduce((union, state) => union.unionAll(part(state)), part(first))
  return sorted(db.selectFrom(all.as('some')).select(LISTED_COLUMNS)).limit(limit)
}

/** A stretch of the list: what comes after `after`, up to and including `last`; to the end if that is null. */
interface Stretch {
  readonly after: Position | null
  readonly last: Position | null
}

/**
 * Yields the list in stretches of at most 500 deliveries in these states and times, with a turn of the event loop
 * before each but the first.
 */
export async function* stretches({
  db,
  range,
  after,
}: {
  db: Db
  range: Range
  after: Position | null
}): AsyncGenerator<Stretch> {
  for (let place = after; ; await turn()) {
    const rows = await inOrder({ db, range, after: place, limit: STEP })
      .clearLimit()
      .limit(1)
      .offset(STEP - 1)
      .execute()
    const last: Position | null = rows[0] ?? null
    yield { after: place, last }
    if (last === null) return
    place = last
  }
}

/**
 * Starts a query of deliveries along an index; null: the primary key. MySQL otherwise prefers another one in some cases,
 * and reads every newer delivery too. The other databases choose the right one, and read the hint as a comment.
 */
export const along = (db: Db, index: string | null) =>
  db.selectFrom('deliveries').modifyFront(index === null ? sql`` : sql.raw(`/*+ INDEX(deliveries ${index}) */`))

/** The index that has the order of the list. */
export const indexOfOrder = ({ states }: Range): string =>
  states === undefined ? 'deliveries_active' : 'deliveries_state'

/** Adds the bounds of a stretch. */
export function between<Output>(
  query: SelectQueryBuilder<Tables, 'deliveries', Output>,
  { after, last }: Stretch,
): SelectQueryBuilder<Tables, 'deliveries', Output> {
  let bounded = query
  if (after !== null) {
    bounded = bounded
      .where('active_at', '<=', after.activeAt)
      .where((eb) => eb.or([eb('active_at', '<', after.activeAt), eb('id', '<', after.id)]))
  }
  if (last !== null) {
    bounded = bounded
      .where('active_at', '>=', last.activeAt)
      .where((eb) => eb.or([eb('active_at', '>', last.activeAt), eb('id', '>=', last.id)]))
  }
  return bounded
}

const sorted = <DB extends Record<Table, LightRow>, Table extends keyof DB & string, Output>(
  query: SelectQueryBuilder<DB, Table, Output>,
) => query.orderBy(sql.ref('active_at'), 'desc').orderBy(sql.ref('id'), 'desc')
