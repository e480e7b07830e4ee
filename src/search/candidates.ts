import { type Kysely, type SelectQueryBuilder, sql } from 'kysely'
import type { DeliveryRow, Tables } from '../database/schema.ts'
import { emailTerm, textTerm } from '../inbox/search-terms.ts'
import type { DeliveryFilter } from './filter.ts'

/** A position in the list of deliveries: newest activity first, then by id, the later id first. */
export interface Position {
  readonly activeAt: number
  readonly id: string
}

/** The fields of a delivery with which a search decides whether it matches. */
export interface Candidate extends Position {
  readonly state: DeliveryRow['state']
  readonly email: string | null
  readonly username: string | null
  readonly course: string | null
  readonly webhookId: string | null
}

const COLUMNS = ['id', 'active_at', 'state', 'email', 'username', 'course', 'webhook_id'] as const
type LightRow = Pick<DeliveryRow, (typeof COLUMNS)[number]>
const candidate = ({ active_at, webhook_id, ...row }: LightRow): Candidate => ({
  ...row,
  activeAt: active_at,
  webhookId: webhook_id,
})

export interface Chunk {
  readonly candidates: readonly Candidate[]
  /** Whether nothing follows them. */
  readonly isLast: boolean
}

/** Returns up to `limit` candidates after `after`, in order, from one index. */
export type Stream = (after: Position | null, limit: number) => Promise<Chunk>

type Range = Pick<DeliveryFilter, 'from' | 'to'>

type Only = { readonly course: string } | { readonly state: DeliveryRow['state'] }

/** Streams all deliveries, or those of one state or one first course. */
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
    let query = db.selectFrom('deliveries').select(COLUMNS).modifyFront(indexHint(only))
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
 * Names the index to walk along, for MySQL. With a time in the condition, MySQL otherwise prefers the index of all times
 * and reads every newer delivery of other courses too. The other databases choose the right index, and read the hint as a
 * comment.
 */
function indexHint(only: Only | undefined) {
  if (only === undefined) return sql`/*+ INDEX(deliveries deliveries_active) */`
  return 'state' in only
    ? sql`/*+ INDEX(deliveries deliveries_state) */`
    : sql`/*+ INDEX(deliveries deliveries_course) */`
}

/** Streams the deliveries that have the course, but not as their first course. */
export function streamFurtherCourses({
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

/** Returns the delivery with this webhook-id, if there is one. */
export async function byWebhookId(db: Kysely<Tables>, webhookId: string): Promise<Candidate[]> {
  const rows = await db.selectFrom('deliveries').select(COLUMNS).where('webhook_id', '=', webhookId).execute()
  return rows.map(candidate)
}

/** Returns candidates by id in no particular order, without deliveries that no longer exist. */
export async function byIds(db: Kysely<Tables>, ids: readonly string[]): Promise<Candidate[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('deliveries').select(COLUMNS).where('id', 'in', ids).execute()
  return rows.map(candidate)
}

/** One person, or everyone whose address begins with `value`. */
export interface People {
  readonly column: 'email' | 'username'
  readonly value: string
  readonly beginning?: boolean
}

/** Counts in the index alone, up to `most`. */
export async function countPeople(db: Kysely<Tables>, people: People, most: number): Promise<number> {
  const some = ofPeople(db.selectFrom('deliveries').select('id'), people).limit(most).as('some')
  const { count } = await db
    .selectFrom(some)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Returns up to `limit` deliveries after `after`, in the order of the index. */
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

/** Appended to a text, it sorts after every text that begins with it, in both kinds of databases. */
const LAST = '\u{10ffff}'

function ofPeople<Output>(
  query: SelectQueryBuilder<Tables, 'deliveries', Output>,
  { column, value, beginning = false }: People,
): SelectQueryBuilder<Tables, 'deliveries', Output> {
  const low = column === 'email' ? emailTerm(value) : textTerm(value)
  return beginning ? query.where(column, '>=', low).where(column, '<=', low + LAST) : query.where(column, '=', low)
}

/** Returns up to `most` ids of deliveries that a bulk replay made due. */
export async function idsOfReplay(db: Kysely<Tables>, replay: string, most: number): Promise<string[]> {
  const rows = await ofReplay(db, replay).orderBy('delivery_id').limit(most).execute()
  return rows.map(({ delivery_id }) => delivery_id)
}

/** Returns which of these deliveries a bulk replay made due. */
export async function withReplay(
  db: Kysely<Tables>,
  { ids, replay }: { ids: readonly string[]; replay: string },
): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await ofReplay(db, replay).where('delivery_id', 'in', ids).execute()
  return new Set(rows.map(({ delivery_id }) => delivery_id))
}

const ofReplay = (db: Kysely<Tables>, replay: string) =>
  db.selectFrom('replayed_deliveries').select('delivery_id').where('replay_id', '=', replay)

/** Returns which of these deliveries have the course, but not as their first course. */
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
