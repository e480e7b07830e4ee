import { type Kysely, type SelectQueryBuilder, sql } from 'kysely'
import type { DeliveryRow, Tables } from '../database/schema.ts'
import { emailTerm, textTerm } from '../inbox/search-terms.ts'
import type { DeliveryFilter } from './filter.ts'

/** A place in the list of deliveries: newest activity first, then by id, the later one first. */
export interface Place {
  readonly activeAt: number
  readonly id: string
}

/** What is read of a delivery to see whether it is one of those that are looked for. */
export interface Candidate extends Place {
  readonly state: DeliveryRow['state']
  readonly email: string | null
  readonly username: string | null
  readonly course: string | null
}

const COLUMNS = ['id', 'active_at', 'state', 'email', 'username', 'course'] as const
type LightRow = Pick<DeliveryRow, (typeof COLUMNS)[number]>
const candidate = ({ active_at, ...row }: LightRow): Candidate => ({ ...row, activeAt: active_at })

export interface Chunk {
  readonly candidates: readonly Candidate[]
  /** Whether there is nothing behind them. */
  readonly isLast: boolean
}

/** Up to `limit` candidates behind `after`, in order, from one index. */
export type Stream = (after: Place | null, limit: number) => Promise<Chunk>

type Range = Pick<DeliveryFilter, 'from' | 'to'>

type Only = { readonly course: string } | { readonly state: DeliveryRow['state'] }

/** All deliveries, or those of one state or of one first course. */
export function streamDeliveries({
  db,
  range: { from, to },
  only,
}: {
  db: Kysely<Tables>
  range: Range
  only?: Only
}): Stream {
  return async (after, limit) => {
    let query = db.selectFrom('deliveries').select(COLUMNS).modifyFront(walking(only))
    if (only !== undefined) {
      query =
        'state' in only ? query.where('state', '=', only.state) : query.where('course', '=', textTerm(only.course))
    }
    if (from !== undefined) query = query.where('active_at', '>=', from)
    if (to !== undefined) query = query.where('active_at', '<', to)
    if (after !== null) {
      query = query
        .where('active_at', '<=', after.activeAt)
        .where((eb) => eb.or([eb('active_at', '<', after.activeAt), eb('id', '<', after.id)]))
    }
    const rows = await query.orderBy('active_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
    return { candidates: rows.map(candidate), isLast: rows.length < limit }
  }
}

/**
 * Which index to walk along, for MySQL: with a time in the condition it else prefers that of all times, and passes over
 * every newer delivery of another course. The others choose well, and read this as a comment.
 */
function walking(only: Only | undefined) {
  if (only === undefined) return sql`/*+ INDEX(deliveries deliveries_active) */`
  return 'state' in only
    ? sql`/*+ INDEX(deliveries deliveries_state) */`
    : sql`/*+ INDEX(deliveries deliveries_course) */`
}

/** Deliveries that have the course, but not as their first. */
export function streamFurther({
  db,
  range: { from, to },
  course,
}: {
  db: Kysely<Tables>
  range: Range
  course: string
}): Stream {
  return async (after, limit) => {
    let query = db.selectFrom('further_courses').select(['delivery_id', 'active_at'])
    query = query.where('course', '=', textTerm(course))
    if (from !== undefined) query = query.where('active_at', '>=', from)
    if (to !== undefined) query = query.where('active_at', '<', to)
    if (after !== null) {
      query = query
        .where('active_at', '<=', after.activeAt)
        .where((eb) => eb.or([eb('active_at', '<', after.activeAt), eb('delivery_id', '<', after.id)]))
    }
    const places = await query.orderBy('active_at', 'desc').orderBy('delivery_id', 'desc').limit(limit).execute()
    const ids = places.map(({ delivery_id }) => delivery_id)
    const found = new Map((await byIds(db, ids)).map((one) => [one.id, one]))
    const candidates = places.flatMap(({ delivery_id, active_at }) => {
      const one = found.get(delivery_id)
      return one === undefined ? [] : [{ ...one, activeAt: active_at }]
    })
    return { candidates, isLast: places.length < limit }
  }
}

/** In no order; without those that are no more. */
export async function byIds(db: Kysely<Tables>, ids: readonly string[]): Promise<Candidate[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('deliveries').select(COLUMNS).where('id', 'in', ids).execute()
  return rows.map(candidate)
}

/** One person, or all whose address begins so. */
export interface People {
  readonly column: 'email' | 'username'
  readonly value: string
  readonly beginning?: boolean
}

/** Counted in the index alone, up to `most`. */
export async function countPeople(db: Kysely<Tables>, people: People, most: number): Promise<number> {
  const some = ofPeople(db.selectFrom('deliveries').select('id'), people).limit(most).as('some')
  const { count } = await db
    .selectFrom(some)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Up to `limit` deliveries behind `after`, in the order of the index. */
export async function readPeople({
  db,
  people,
  after,
  limit,
}: {
  db: Kysely<Tables>
  people: People
  after: Candidate | null
  limit: number
}): Promise<Candidate[]> {
  const { column } = people
  const reached = after?.[column] ?? null
  let query = ofPeople(db.selectFrom('deliveries').select(COLUMNS), people)
  if (after !== null && reached !== null) {
    query = query.where(column, '>=', reached).where((eb) => eb.or([eb(column, '>', reached), eb('id', '>', after.id)]))
  }
  const rows = await query.orderBy(column).orderBy('id').limit(limit).execute()
  return rows.map(candidate)
}

/** Above every text that begins with the one before it, in the order of both kinds of databases. */
const LAST = '\u{10ffff}'

function ofPeople<Output>(
  query: SelectQueryBuilder<Tables, 'deliveries', Output>,
  { column, value, beginning = false }: People,
): SelectQueryBuilder<Tables, 'deliveries', Output> {
  const low = column === 'email' ? emailTerm(value) : textTerm(value)
  return beginning ? query.where(column, '>=', low).where(column, '<=', low + LAST) : query.where(column, '=', low)
}

/** Which of these deliveries have the course, but not as their first. */
export async function withFurtherCourse(
  db: Kysely<Tables>,
  { ids, course }: { ids: readonly string[]; course: string },
): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await db
    .selectFrom('further_courses')
    .select('delivery_id')
    .where('delivery_id', 'in', ids)
    .where('course', '=', textTerm(course))
    .execute()
  return new Set(rows.map(({ delivery_id }) => delivery_id))
}
