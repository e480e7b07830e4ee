import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import type { Page } from '../find/filter.ts'
import type { IncidentKind } from './record.ts'

const PAGE = 20
const BANDS_MAX = 200
/** A sale that came this long before the incident and had no result by then waited for it too. */
const BEFORE_MS = 60_000

/** A time in which the LMS or the database was away. Times are ms since 1970. */
export interface Band {
  readonly id: string
  readonly kind: IncidentKind
  /** What the first replica that saw it said. */
  readonly cause: string
  readonly from: number
  /** null: it has not ended. */
  readonly to: number | null
  /** When a replica last reported it. */
  readonly lastSeenAt: number
}

const BAND = ['id', 'kind', 'cause', 'started_at as from', 'ended_at as to', 'seen_at as lastSeenAt'] as const

export interface Incident extends Band {
  /** The sales that waited: received meanwhile, or shortly before and without a result. */
  readonly sales: number
  /** How many of them still wait. */
  readonly queued: number
  /** When the last of them was enrolled or pre-enrolled; null if none was. */
  readonly lastEnrolledAt: number | null
}

/** Lists incidents, the latest first: 20 before `after`, the `next` of the page before. `now` is in ms since 1970. */
export async function listIncidents(
  db: Kysely<Tables>,
  { now, after = null }: { now: number; after?: string | null },
): Promise<Page<Incident>> {
  const last =
    after === null
      ? undefined
      : await db.selectFrom('incidents').select(['started_at', 'id']).where('id', '=', after).executeTakeFirst()
  let query = db.selectFrom('incidents').select(BAND)
  if (last !== undefined) {
    query = query
      .where('started_at', '<=', last.started_at)
      .where((eb) => eb.or([eb('started_at', '<', last.started_at), eb('id', '<', last.id)]))
  }
  const rows = await query
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(PAGE + 1)
    .execute()
  const items: Incident[] = []
  for (const row of rows.slice(0, PAGE)) items.push({ ...row, ...(await salesDuring(db, row, now)) })
  return { items, next: rows.length > PAGE ? (items.at(-1)?.id ?? null) : null }
}

/** Returns the incidents that overlap the time between two times (ms since 1970), the latest 200, oldest first. */
export async function incidentsBetween(
  db: Kysely<Tables>,
  { from, to }: { from: number; to: number },
): Promise<Band[]> {
  const rows = await db
    .selectFrom('incidents')
    .select(BAND)
    .where('started_at', '<', to)
    .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', from)]))
    .orderBy('started_at', 'desc')
    .limit(BANDS_MAX)
    .execute()
  return rows.reverse()
}

/** A sale that the database could not store is none: the shop sends it again afterwards. */
async function salesDuring(
  db: Kysely<Tables>,
  { from, to }: Band,
  now: number,
): Promise<Pick<Incident, 'sales' | 'queued' | 'lastEnrolledAt'>> {
  const row = await db
    .selectFrom('deliveries')
    .select(({ eb, fn }) => [
      fn.countAll<number>().as('sales'),
      fn.sum<number | null>(eb.case().when('state', '=', 'queued').then(1).else(0).end()).as('queued'),
      fn.max('enrolled_at').as('enrolled_at'),
    ])
    .where('received_at', '>=', from - BEFORE_MS)
    .where((eb) => eb.or([eb('settled_at', 'is', null), eb('settled_at', '>=', from)]))
    .where('received_at', '<=', to ?? now)
    .where('state', '!=', 'rejected')
    .executeTakeFirstOrThrow()
  return { sales: Number(row.sales), queued: Number(row.queued ?? 0), lastEnrolledAt: row.enrolled_at }
}
