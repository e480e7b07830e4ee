import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { DeliveryState } from '../delivery/types.ts'
import { spellCourses } from './spelling.ts'

const QUARTER_MS = 900_000
const DAY_MS = 24 * 3_600_000
const DAYS = 30
/** The latest sales that one report reads, so that it stays quick however many there are. */
const SALES_MAX = 20_000
const COURSES_MAX = 20

/** How many sales of a span of time have each state now. States without a sale are absent. */
export interface Bar {
  /** The beginning of the span and its end, ms since 1970. */
  readonly from: number
  readonly to: number
  readonly counts: Readonly<Partial<Record<DeliveryState, number>>>
}

export interface SalesReport {
  /** Oldest first, without gaps. The last one is still running. */
  readonly bars: readonly Bar[]
  /** Sales before this time (ms since 1970) are not counted, because there are too many; null if all are counted. */
  readonly countedFrom: number | null
}

export interface CourseSales {
  /** The course key as the shop sent it: the first one of each sale. In lower case if no sale with it was valid. */
  readonly course: string
  readonly counts: Bar['counts']
}

/**
 * Counts the sales by the span of time in which they were received, and by state, each once.
 * @param of.bounds the beginning of each span, and the end of the last one: ms since 1970, ascending. The offsets of all
 *   time zones are whole quarters of an hour, so the bounds are too.
 */
export async function salesBySpan({
  db,
  bounds,
}: {
  db: Kysely<Tables>
  bounds: readonly number[]
}): Promise<SalesReport> {
  const rows = await db
    .selectFrom(latest(db, bounds[0] ?? 0).as('some'))
    .select(({ fn, ref }) => [
      sql<number>`floor(${ref('received_at')} / ${QUARTER_MS})`.as('quarter'),
      'state',
      fn.countAll<number>().as('count'),
      fn.min('received_at').as('earliest'),
    ])
    .groupBy(['quarter', 'state'])
    .execute()
  const indexOf = ({ quarter }: { quarter: number }): number =>
    bounds.findLastIndex((bound) => bound <= Number(quarter) * QUARTER_MS)
  const bySpan = Map.groupBy(rows, indexOf)
  return {
    bars: bounds.slice(1).map((to, i) => ({ from: bounds[i] ?? to, to, counts: countsOf(bySpan.get(i) ?? []) })),
    countedFrom: cutAt(rows),
  }
}

/** Counts the sales of the last 30 days by course and state: the 20 courses with the most sales, the most first. */
export async function salesByCourse({ db, now }: { db: Kysely<Tables>; now: number }): Promise<{
  readonly courses: readonly CourseSales[]
  readonly countedFrom: number | null
}> {
  const rows = await db
    .selectFrom(latest(db, now - DAYS * DAY_MS).as('some'))
    .select(({ fn }) => ['course', 'state', fn.countAll<number>().as('count'), fn.min('received_at').as('earliest')])
    .groupBy(['course', 'state'])
    .execute()
  const byCourse = [...Map.groupBy(rows, ({ course }) => course ?? '')].filter(([course]) => course !== '')
  const courses = byCourse.map(([course, some]) => ({ course, counts: countsOf(some), sum: sumOf(some) }))
  courses.sort((a, b) => b.sum - a.sum || (a.course < b.course ? -1 : 1))
  const most = courses.slice(0, COURSES_MAX)
  const keys = await spellCourses(
    db,
    most.map(({ course }) => course),
  )
  return {
    courses: most.map(({ course, counts }) => ({ course: keys.get(course) ?? course, counts })),
    countedFrom: cutAt(rows),
  }
}

/** The latest sales since `from`, from the index alone. */
const latest = (db: Kysely<Tables>, from: number) =>
  db
    .selectFrom('deliveries')
    .select(['received_at', 'state', 'course'])
    .where('received_at', '>=', from)
    .orderBy('received_at', 'desc')
    .limit(SALES_MAX)

interface Counted {
  readonly state: DeliveryState
  readonly count: number
  readonly earliest: number
}

function countsOf(rows: readonly Counted[]): Bar['counts'] {
  const counts: Partial<Record<DeliveryState, number>> = {}
  for (const { state, count } of rows) counts[state] = (counts[state] ?? 0) + Number(count)
  return counts
}

const sumOf = (rows: readonly Counted[]): number => rows.reduce((sum, { count }) => sum + Number(count), 0)

const cutAt = (rows: readonly Counted[]): number | null =>
  sumOf(rows) < SALES_MAX ? null : Math.min(...rows.map(({ earliest }) => earliest))
