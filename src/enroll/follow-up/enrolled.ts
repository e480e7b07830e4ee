import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Db, DeliveryRow } from '../../database/schema.ts'
import { along } from '../../queue/in-order.ts'
import { coursesWith } from '../../sale/line.ts'
import { DONE_STATES } from '../../sale/types.ts'
import { isWatched } from './access.ts'
import { CHUNK, inChunks, type Reading, type Sought } from './reported.ts'

const DAY_MS = 24 * 3_600_000
const WEEK_MS = 7 * DAY_MS
/** A sale is first looked at when it is this old or older, and less than a day older. */
const LEAST_AGE_MS = DAY_MS / 2

/** Sales of a course that were received after `after` and not after `upTo`, ms since 1970. */
interface DueSales {
  readonly after: number
  readonly upTo: number
  /** Whether these are all sales until then. */
  readonly isWeekly: boolean
}

/**
 * Which sales of a course became due from `from` (exclusive) to `to` (inclusive), ms since 1970: once a day those of the
 * day before, and once a week all of them. The times follow from the key, so that the courses spread over the week, and
 * the calls for each course are full. null if none did. Pure.
 */
export function dueSales(course: string, { from, to }: Span): DueSales | null {
  const offset = createHash('sha256').update(course).digest().readUInt32BE() % WEEK_MS
  const lastTime = (at: number, everyMs: number): number => Math.floor((at - offset) / everyMs) * everyMs + offset
  const [before, last] = [lastTime(from, DAY_MS), lastTime(to, DAY_MS)]
  if (last <= before) return null // each weekly time is a daily one, too
  const isWeekly = lastTime(to, WEEK_MS) > lastTime(from, WEEK_MS)
  return { after: isWeekly ? 0 : before - LEAST_AGE_MS, upTo: last - LEAST_AGE_MS, isWeekly }
}

/** A time in which sales became due, `from` exclusive and `to` inclusive, ms since 1970. */
interface Span {
  readonly from: number
  readonly to: number
}

/** A delivery that is due, with the courses that were enrolled. `isWeekly`: see DueSales. */
type DueBuyer = Sought & Pick<DueSales, 'isWeekly'>

/**
 * The deliveries that became due, with the courses that were enrolled, in chunks: also those of which another course still
 * waits for an account. A sale of several courses is due with its first one.
 */
export async function* enrolledBuyers(reading: Reading, due: Span): AsyncGenerator<DueBuyer[]> {
  yield* salesOf(reading, await dueCourses(reading, due, due.to - LEAST_AGE_MS))
}

/**
 * The deliveries whose buyers are to be asked about what they have achieved, with the courses that were enrolled, in
 * chunks: all of a course once a day, and once a week thoroughly. A sale of several courses is due with its first one.
 */
export async function* learners(reading: Reading, due: Span): AsyncGenerator<DueBuyer[]> {
  const courses = await dueCourses(reading, due, due.to)
  yield* salesOf(reading, new Map([...courses].map(([course, one]) => [course, { ...one, after: 0, upTo: due.to }])))
}

/** The courses that became due, of those that were sold until `upTo`. */
async function dueCourses(reading: Reading, span: Span, upTo: number): Promise<ReadonlyMap<string, DueSales>> {
  const courses = await soldCourses(reading, upTo)
  return new Map(
    [...courses].flatMap((course) => {
      const due = dueSales(course, span)
      return due === null ? [] : [[course, due] as const]
    }),
  )
}

/** The deliveries with such courses, along the index by time. As a plain column, the state would lead to the one by state. */
const enrolled = (db: Db) =>
  along(db, 'deliveries_received').where(({ eb, fn, val }) => eb(fn.coalesce('state', val('')), 'in', DONE_STATES))

/** The courses of deliveries with such courses that were received until `upTo`, each once: a week of sales a statement. */
async function soldCourses({ context, guard }: Reading, upTo: number): Promise<ReadonlySet<string>> {
  const { db } = context.database
  const courses = new Set<string>()
  for (let at = await oldestSale({ context, guard }, upTo + 1); at <= upTo; at += WEEK_MS) {
    const week = enrolled(db)
      .select('course')
      .distinct()
      .where('received_at', '>=', at)
      .where('received_at', '<', at + WEEK_MS)
    for (const { course } of await guard(() => week.execute())) if (course !== null) courses.add(course)
    await turn()
  }
  return courses
}

/** When the oldest delivery was received, ms since 1970; `none` if there is none. */
async function oldestSale({ context, guard }: Reading, none: number): Promise<number> {
  const query = along(context.database.db, 'deliveries_received').select('received_at').orderBy('received_at').limit(1)
  return (await guard(() => query.executeTakeFirst()))?.received_at ?? none
}

/**
 * These deliveries of courses with the courses that were enrolled, the oldest first, in chunks. It goes through the days and
 * not through the courses: for each course, a statement would read the sales of all others.
 */
async function* salesOf(reading: Reading, due: ReadonlyMap<string, DueSales>): AsyncGenerator<DueBuyer[]> {
  if (due.size === 0) return
  const spans = [...due.values()]
  const upTo = Math.max(...spans.map((one) => one.upTo))
  const from = Math.max(Math.min(...spans.map((one) => one.after)), await oldestSale(reading, upTo + 1))
  for (let at = from; at <= upTo; at += DAY_MS) {
    const courses = [...due].filter(([, one]) => one.after < at + DAY_MS && one.upTo >= at).map(([course]) => course)
    if (courses.length > 0) yield* salesOfDay(reading, { due, courses, from: at, to: at + DAY_MS })
  }
}

/** The same of those that were received from `from` to `to` (exclusive), ms since 1970. */
async function* salesOfDay(
  reading: Reading,
  { due, courses, from, to }: Span & { due: ReadonlyMap<string, DueSales>; courses: readonly string[] },
): AsyncGenerator<DueBuyer[]> {
  const first = { received_at: from, id: '' }
  const read = ({ received_at: at, id }: typeof first) =>
    enrolled(reading.context.database.db)
      .select(['id', 'received_at', 'course'])
      .where('course', 'in', courses)
      .where('received_at', '>=', at)
      .where('received_at', '<', to)
      .where((eb) => eb.or([eb('received_at', '>', at), eb('id', '>', id)]))
      .orderBy('received_at')
      .orderBy('id')
      .limit(CHUNK)
      .execute()
  for await (const found of inChunks(reading, (last: Place | null) => read(last ?? first))) {
    yield found.flatMap(({ place: { course, received_at: at }, reported }) => {
      const { after, upTo, isWeekly } = due.get(course ?? '') ?? NEVER
      const watched = coursesWith('enrolled', reported.lines)
      const isIn = after < at && at <= upTo && watched[0] !== undefined && isWatched(reported, watched[0])
      return isIn ? [{ reported, courses: watched, isWeekly }] : []
    })
  }
}

/** A delivery in the order of salesOf. */
type Place = Pick<DeliveryRow, 'id' | 'received_at' | 'course'>
const NEVER: DueSales = { after: Number.POSITIVE_INFINITY, upTo: 0, isWeekly: false }

/**
 * Makes a round of what became due since the last one of this name that came to its end. If this one doesn't, the next
 * begins with the same. Before the first round nothing is due: a new service has no arrears.
 */
export async function sinceLastRound<Result extends { readonly complete: boolean }>(
  { context, guard }: Reading,
  name: 'enrolled' | 'outcomes',
  make: (due: Span) => Promise<Result>,
): Promise<Result> {
  const { db } = context.database
  const to = context.now()
  await guard(() => db.insertInto('rounds').ignore().values({ name, came_to: to }).execute())
  const last = db.selectFrom('rounds').select('came_to').where('name', '=', name)
  const { came_to: from } = await guard(() => last.executeTakeFirstOrThrow())
  const result = await make({ from: Math.min(from, to), to }) // it is later only if the clock was set back
  const ended = db.updateTable('rounds').set({ came_to: to }).where('name', '=', name)
  if (result.complete) await guard(() => ended.execute())
  return result
}
