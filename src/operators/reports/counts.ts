import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { DELIVERY_STATES, type DeliveryState } from '../../sale/types.ts'

export type StateCounts = Readonly<Record<DeliveryState, number>>

/** The states that need the service, the buyer or an operator. */
const BACKLOG = ['queued', 'pre_enrolled', 'needs_attention'] as const satisfies readonly DeliveryState[]
export type BacklogCounts = Pick<StateCounts, (typeof BACKLOG)[number]>

/** Counts the deliveries by their state, each once, in an index alone. */
export const countByState = (db: Kysely<Tables>): Promise<StateCounts> => countStates(db, DELIVERY_STATES)

/** Counts the deliveries in the states that need the service, the buyer or an operator. */
export const countBacklog = (db: Kysely<Tables>): Promise<BacklogCounts> => countStates(db, BACKLOG)

async function countStates(db: Kysely<Tables>, states: readonly DeliveryState[]): Promise<StateCounts> {
  const rows = await db
    .selectFrom('deliveries')
    .select(['state', ({ fn }) => fn.countAll<number>().as('count')])
    .where('state', 'in', states)
    .groupBy('state')
    .execute()
  return allStates(Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)])))
}

/** Counts the deliveries in all states. */
export const totalOf = (counts: Partial<StateCounts>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Adds the states that were counted nowhere. */
export const allStates = (counts: Partial<StateCounts>): StateCounts => {
  const none = { queued: 0, enrolled: 0, pre_enrolled: 0, needs_attention: 0, rejected: 0, handled: 0, withdrawn: 0 }
  return { ...none, ...counts }
}

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

interface StateCount {
  readonly state: DeliveryState
  readonly count: number
}

function countsOf(rows: readonly StateCount[]): Bar['counts'] {
  const counts: Partial<Record<DeliveryState, number>> = {}
  for (const { state, count } of rows) counts[state] = (counts[state] ?? 0) + Number(count)
  return counts
}

const sumOf = (rows: readonly StateCount[]): number => rows.reduce((sum, { count }) => sum + Number(count), 0)

/** What was counted, and when: ms since 1970. */
export interface Counted<Value> {
  readonly value: Value
  readonly at: number
}

/** Different questions whose last answers are kept: a page asks a few, each time zone its own. */
const KEPT = 50

/**
 * Returns a function that counts anew each time. While a count takes longer than `withinMs`, it resolves to the last one,
 * and those who ask meanwhile share the one that is under way. The first count of a question is waited for.
 * @param of.count what counts; `ask` is data, and asks another question if it is different as JSON
 * @param of.now ms since 1970
 */
export function createCounting<Ask, Value>({
  count,
  now,
  withinMs = 100,
}: {
  count: (ask: Ask) => Promise<Value>
  now: () => number
  withinMs?: number
}): (ask: Ask) => Promise<Counted<Value>> {
  const last = new Map<string, Counted<Value>>()
  const underWay = new Map<string, Promise<Counted<Value>>>()

  const start = (key: string, ask: Ask): Promise<Counted<Value>> => {
    const counting = count(ask).then((value) => {
      const counted = { value, at: now() }
      last.delete(key)
      last.set(key, counted)
      const [oldest] = last.keys()
      if (last.size > KEPT && oldest !== undefined) last.delete(oldest)
      return counted
    })
    underWay.set(key, counting)
    const end = (): boolean => underWay.delete(key)
    counting.then(end, end)
    return counting
  }

  return async (ask) => {
    const key = JSON.stringify(ask ?? null)
    const counting = underWay.get(key) ?? start(key, ask)
    const known = last.get(key)
    if (known === undefined) return counting
    const late = new AbortController()
    const timer = delay(withinMs, known, { signal: late.signal }).catch(() => known)
    return Promise.race([counting, timer]).finally(() => late.abort())
  }
}
