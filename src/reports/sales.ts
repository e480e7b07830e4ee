import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { DeliveryState } from '../delivery/types.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const HOURS = 48
const DAYS = 30
/** The latest sales that one report reads, so that it stays quick however many there are. */
const SALES_MAX = 20_000
const COURSES_MAX = 100

/** How many sales of a span of time have each state now. States without a sale are absent. */
export interface Bar {
  /** The beginning of the span, ms since 1970. */
  readonly from: number
  readonly counts: Readonly<Partial<Record<DeliveryState, number>>>
}

export interface SalesReport {
  /** Oldest first, without gaps. The last one is still running. */
  readonly bars: readonly Bar[]
  /** Sales before this time (ms since 1970) are not counted, because there are too many; null if all are counted. */
  readonly countedFrom: number | null
}

export interface CourseSales {
  /** A course key in lower case: the first one of each sale. */
  readonly course: string
  readonly counts: Bar['counts']
}

/** Counts the sales of the last 48 hours by hour of receiving and by state, each once. `now` is in ms since 1970. */
export const salesByHour = (of: { db: Kysely<Tables>; now: number }): Promise<SalesReport> =>
  report({ ...of, span: HOUR_MS, bars: HOURS })

/** The same for the last 30 UTC days. */
export const salesByDay = (of: { db: Kysely<Tables>; now: number }): Promise<SalesReport> =>
  report({ ...of, span: DAY_MS, bars: DAYS })

async function report({
  db,
  now,
  span,
  bars,
}: {
  db: Kysely<Tables>
  now: number
  span: number
  bars: number
}): Promise<SalesReport> {
  const last = Math.floor(now / span)
  const first = last - bars + 1
  const rows = await db
    .selectFrom(latest(db, first * span).as('some'))
    .select(({ fn, ref }) => [
      sql<number>`floor(${ref('received_at')} / ${span})`.as('span'),
      'state',
      fn.countAll<number>().as('count'),
      fn.min('received_at').as('earliest'),
    ])
    .groupBy(['span', 'state'])
    .execute()
  const bySpan = Map.groupBy(rows, (row) => Number(row.span))
  return {
    bars: Array.from({ length: bars }, (_, i) => ({
      from: (first + i) * span,
      counts: countsOf(bySpan.get(first + i) ?? []),
    })),
    countedFrom: cutAt(rows),
  }
}

/** Counts the sales of the last 30 days by course and state: the 100 courses with the most sales, the most first. */
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
  return {
    courses: courses.slice(0, COURSES_MAX).map(({ course, counts }) => ({ course, counts })),
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

const countsOf = (rows: readonly Counted[]): Bar['counts'] =>
  Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]))

const sumOf = (rows: readonly Counted[]): number => rows.reduce((sum, { count }) => sum + Number(count), 0)

const cutAt = (rows: readonly Counted[]): number | null =>
  sumOf(rows) < SALES_MAX ? null : Math.min(...rows.map(({ earliest }) => earliest))
