import { sql } from 'kysely'
import type { Db } from '../../database/schema.ts'
import { foldKey } from '../../queue/search-terms.ts'
import { DELIVERY_STATES, type DeliveryState } from '../../sale/types.ts'
import { within } from '../../service/lib/loop.ts'
import { isSale } from '../find/filter.ts'

export type StateCounts = Readonly<Record<DeliveryState, number>>

/** The states that need the service, the buyer or an operator. */
const BACKLOG = ['queued', 'pre_enrolled', 'needs_attention', 'rejected'] as const satisfies readonly DeliveryState[]
export type BacklogCounts = Pick<StateCounts, (typeof BACKLOG)[number]>

const deliveriesIn = (db: Db, states: readonly DeliveryState[]) =>
  db.selectFrom('deliveries').where('state', 'in', states)

/** When deliveries were received: from `from` to `to` (exclusive), ms since 1970. */
export interface Received {
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** Counts deliveries by their state, each once, in an index alone: all, or those received in a time; `sales`: only the sales. */
export function countByState(
  db: Db,
  { from, to, sales = false }: Received & { sales?: boolean } = {},
): Promise<StateCounts> {
  const isAll = from === undefined && to === undefined
  const some = isAll ? deliveriesIn(db, DELIVERY_STATES) : receivedIn(db, { from, to })
  return countStates(sales ? some.where(isSale) : some)
}

/** Counts the deliveries in the states that need the service, the buyer or an operator. */
export const countBacklog = (db: Db): Promise<BacklogCounts> => countStates(deliveriesIn(db, BACKLOG))

function receivedIn(db: Db, { from = 0, to }: Received) {
  const some = db.selectFrom('deliveries').where('received_at', '>=', from)
  return to === undefined ? some : some.where('received_at', '<', to)
}

async function countStates(deliveries: ReturnType<typeof deliveriesIn>): Promise<StateCounts> {
  return countsOf(
    await deliveries
      .select(['state', ({ fn }) => fn.countAll<number>().as('count')])
      .groupBy('state')
      .execute(),
  )
}

/** Counts the deliveries in these states; in all states without them. */
export const totalOf = (counts: StateCounts, states: readonly DeliveryState[] = DELIVERY_STATES): number =>
  states.reduce((sum, state) => sum + counts[state], 0)

/** More sales of several courses than are ever stored. */
const SEVERAL_MAX = 1_000_000_000

/** How many sales of a span of time have each state now. */
export interface Bar {
  /** The beginning of the span and its end, ms since 1970. */
  readonly from: number
  readonly to: number
  readonly counts: StateCounts
}

/**
 * Counts the sales by the span of time in which they were received, and by state, each once: the oldest span first,
 * without gaps. The days of a year are of few lengths, so the database gives a row for each span and state.
 * @param bounds the beginning of each span, and the end of the last one: ms since 1970, ascending
 */
export async function salesBySpan(db: Db, bounds: readonly number[]): Promise<readonly Bar[]> {
  const spans = bounds.slice(1).map((to, i) => ({ from: bounds[i] ?? to, to }))
  const bars: Bar[] = []
  while (bars.length < spans.length) {
    const rest = spans.slice(bars.length)
    const { from, to } = rest[0] ?? { from: 0, to: 1 }
    const length = to - from
    const other = rest.findIndex((span) => span.to - span.from !== length)
    const alike = other < 0 ? rest : rest.slice(0, other)
    const rows = await receivedIn(db, { from, to: from + alike.length * length })
      .where(isSale)
      .select(({ fn, ref }) => [
        sql<number>`floor((${ref('received_at')} - ${from}) / ${length})`.as('index'),
        'state',
        fn.countAll<number>().as('count'),
      ])
      .groupBy(['index', 'state'])
      .execute()
    const byIndex = Map.groupBy(rows, ({ index }) => Number(index))
    bars.push(...alike.map((span, i) => ({ ...span, counts: countsOf(byIndex.get(i) ?? []) })))
  }
  return bars
}

/**
 * Counts the sales received in a time by course and state. A sale of several courses counts for each of them. Returns the
 * courses, those with the most sales first; the sales that name no course; and how many sales there are, each once.
 */
export async function salesByCourse(db: Db, received: Received) {
  const sales = receivedIn(db, received).where(isSale)
  const firsts = await sales
    .select(['course', 'state', ({ fn }) => fn.countAll<number>().as('count')])
    .groupBy(['course', 'state'])
    .execute()
  // With the limit, MySQL finds these sales in the index, and does not read every row of the table instead.
  const several = sales.select('id').where('course_count', '>', 1).limit(SEVERAL_MAX).as('several')
  const further = await db
    .selectFrom(several)
    .innerJoin('deliveries', 'deliveries.id', 'several.id')
    .innerJoin('delivery_lines', 'delivery_lines.delivery_id', 'several.id')
    .select(['sent as course', 'state', ({ fn }) => fn.countAll<number>().as('count')])
    .where('position', '>', 0)
    .groupBy(['sent', 'state'])
    .execute()
  const lines = [...firsts.map((row) => ({ ...row, course: row.course ?? '' })), ...further]
  const { '': unnamed = [], ...byCourse } = Object.groupBy(lines, ({ course }) => foldKey(course))
  const courses = Object.values(byCourse).flatMap((rows = []) => courseOf(rows))
  courses.sort((a, b) => totalOf(b.counts) - totalOf(a.counts) || (a.course < b.course ? -1 : 1))
  return { courses, unnamed: countsOf(unnamed), sales: totalOf(countsOf(firsts)) }
}

/** One course from its rows, which may spell it differently: as the shop sent it most often. */
function courseOf(rows: readonly (StateCount & { readonly course: string })[]) {
  const spelled = [...Map.groupBy(rows, ({ course }) => course)].map(([course, some]) => ({
    course,
    sum: totalOf(countsOf(some)),
  }))
  const [most] = spelled.sort((a, b) => b.sum - a.sum || (a.course < b.course ? -1 : 1))
  return most === undefined ? [] : [{ course: most.course, counts: countsOf(rows) }]
}

interface StateCount {
  readonly state: DeliveryState
  readonly count: number
}

/** Adds up what was counted by state. */
export function countsOf(rows: readonly StateCount[]): StateCounts {
  const counts = { queued: 0, enrolled: 0, pre_enrolled: 0, needs_attention: 0, rejected: 0, handled: 0, withdrawn: 0 }
  for (const { state, count } of rows) counts[state] += Number(count)
  return counts
}

/** Adds up several counts. */
export const sumOf = (all: readonly StateCounts[]): StateCounts =>
  countsOf(all.flatMap((counts) => DELIVERY_STATES.map((state) => ({ state, count: counts[state] }))))

/** What was counted, and when: ms since 1970. */
export interface Counted<Value> {
  readonly value: Value
  readonly at: number
}

/** Different questions whose last answers are kept: a page asks a few, each time zone its own. */
const KEPT = 50
/** A count that takes longer is not waited for, so that a page is there after 100 ms. In ms. */
const WITHIN_MS = 50

/**
 * Returns a function that counts anew each time. While a count takes longer than 50 ms, it resolves to the last one,
 * and those who ask meanwhile share the one that is under way. The first count of a question is waited for.
 * @param of.count what counts; `ask` is data, and asks another question if it is different as JSON
 * @param of.now ms since 1970
 */
export function createCounting<Ask, Value>(of: {
  count: (ask: Ask) => Promise<Value>
  now: () => number
}): (ask: Ask) => Promise<Counted<Value>> {
  const { count, now } = of
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
    const known = last.get(key)
    const counting = underWay.get(key) ?? start(key, ask)
    return known === undefined ? counting : ((await within(WITHIN_MS, counting)) ?? known)
  }
}
