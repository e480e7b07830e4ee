import { type Kysely, sql } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import type { DeliveryState } from '../../sale/types.ts'

const QUARTER_MS = 900_000
const DAY_MS = 24 * 3_600_000
const DAYS = 30
const COURSES_MAX = 20

/** How many sales of a span of time have each state now. States without a sale are absent. */
export interface Bar {
  /** The beginning of the span and its end, ms since 1970. */
  readonly from: number
  readonly to: number
  readonly counts: Readonly<Partial<Record<DeliveryState, number>>>
}

export interface CourseSales {
  /** The course key as the shop sent it: the first one of each sale. */
  readonly course: string
  readonly counts: Bar['counts']
}

/**
 * Counts the sales by the span of time in which they were received, and by state, each once: the oldest span first,
 * without gaps.
 * @param of.bounds the beginning of each span, and the end of the last one: ms since 1970, ascending. The offsets of all
 *   time zones are whole quarters of an hour, so the bounds are too.
 */
export async function salesBySpan({
  db,
  bounds,
}: {
  db: Kysely<Tables>
  bounds: readonly number[]
}): Promise<readonly Bar[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select(({ fn, ref }) => [
      sql<number>`floor(${ref('received_at')} / ${QUARTER_MS})`.as('quarter'),
      'state',
      fn.countAll<number>().as('count'),
    ])
    .where('received_at', '>=', bounds[0] ?? 0)
    .groupBy(['quarter', 'state'])
    .execute()
  const indexOf = ({ quarter }: { quarter: number }): number =>
    bounds.findLastIndex((bound) => bound <= Number(quarter) * QUARTER_MS)
  const bySpan = Map.groupBy(rows, indexOf)
  return bounds.slice(1).map((to, i) => ({ from: bounds[i] ?? to, to, counts: countsOf(bySpan.get(i) ?? []) }))
}

/** Counts the sales of the last 30 days by course and state: the 20 courses with the most sales, the most first. */
export async function salesByCourse({ db, now }: { db: Kysely<Tables>; now: number }): Promise<readonly CourseSales[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select(({ fn, ref }) => [
      sql<string | null>`lower(${ref('course')})`.as('folded'),
      fn.max('course').as('course'),
      'state',
      fn.countAll<number>().as('count'),
    ])
    .where('received_at', '>=', now - DAYS * DAY_MS)
    .groupBy(['folded', 'state'])
    .execute()
  const byCourse = [...Map.groupBy(rows, ({ folded }) => folded ?? '')].filter(([folded]) => folded !== '')
  const courses = byCourse.map(([folded, some]) => ({
    course: some[0]?.course ?? folded,
    counts: countsOf(some),
    sum: sumOf(some),
  }))
  courses.sort((a, b) => b.sum - a.sum || (a.course < b.course ? -1 : 1))
  return courses.slice(0, COURSES_MAX).map(({ course, counts }) => ({ course, counts }))
}

interface Counted {
  readonly state: DeliveryState
  readonly count: number
}

function countsOf(rows: readonly Counted[]): Bar['counts'] {
  const counts: Partial<Record<DeliveryState, number>> = {}
  for (const { state, count } of rows) counts[state] = (counts[state] ?? 0) + Number(count)
  return counts
}

const sumOf = (rows: readonly Counted[]): number => rows.reduce((sum, { count }) => sum + Number(count), 0)
