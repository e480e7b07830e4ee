import type { Db, DeliveryRow } from '../../database/schema.ts'
import { along } from '../../queue/in-order.ts'
import { coursesWith } from '../../sale/line.ts'
import { DONE_STATES } from '../../sale/types.ts'
import { isWatched } from './access.ts'
import { CHUNK, inChunks, type Reading, type Sought } from './reported.ts'

const DAY_MS = 24 * 3_600_000
const WEEK_MS = 7 * DAY_MS
/** A sale is looked up for the first time when it is this old. */
const FIRST_MS = DAY_MS / 2

/** A time in which sales became due, `from` exclusive and `to` inclusive, ms since 1970. */
interface Span {
  readonly from: number
  readonly to: number
}

/** Whether a sale became due, as it does when it is received, and then each `everyMs`. Pure. */
export function becameDue(receivedAt: number, { from, to }: Span, everyMs: number): boolean {
  const timesUntil = (at: number): number => Math.max(0, Math.floor((at - receivedAt) / everyMs) + 1)
  return timesUntil(to) > timesUntil(from)
}

/** A delivery that is due, with the courses that were enrolled. `isWeekly`: see becameDue. */
interface DueBuyer extends Sought {
  readonly isWeekly: boolean
}

/**
 * The deliveries that became due half a day after the sale, or once a week since, with the courses that were enrolled, in
 * chunks: also those of which another course still waits for an account.
 */
export const enrolledBuyers = (reading: Reading, { from, to }: Span): AsyncGenerator<DueBuyer[]> =>
  dueSales(reading, { from: from - FIRST_MS, to: to - FIRST_MS }, WEEK_MS)

/** The deliveries whose buyers are to be asked about what they have achieved, as above: each at once, and once a day. */
export const learners = (reading: Reading, due: Span): AsyncGenerator<DueBuyer[]> => dueSales(reading, due, DAY_MS)

/** The deliveries with enrolled courses that became due as they do each `everyMs`: the newest times first, in chunks. */
async function* dueSales(reading: Reading, due: Span, everyMs: number): AsyncGenerator<DueBuyer[]> {
  const lengthMs = Math.min(due.to - due.from, everyMs)
  const oldest = await oldestSale(reading)
  if (lengthMs === 0 || oldest === null) return
  for (let { to } = due; to >= oldest; to -= everyMs) yield* salesOf(reading, due, { from: to - lengthMs, to })
}

/** The deliveries with such courses, along the index by time. As a plain column, the state would lead to the one by state. */
const enrolled = (db: Db) =>
  along(db, 'deliveries_received').where(({ eb, fn, val }) => eb(fn.coalesce('state', val('')), 'in', DONE_STATES))

/** When the oldest delivery was received, ms since 1970; null if there is none. */
async function oldestSale({ context, guard }: Reading): Promise<number | null> {
  const query = along(context.database.db, 'deliveries_received').select('received_at').orderBy('received_at').limit(1)
  return (await guard(() => query.executeTakeFirst()))?.received_at ?? null
}

/** Those that were received in a time, the oldest first. */
async function* salesOf(reading: Reading, due: Span, { from, to }: Span): AsyncGenerator<DueBuyer[]> {
  const first = { received_at: from + 1, id: '' }
  const read = ({ received_at: at, id }: Place) =>
    enrolled(reading.context.database.db)
      .select(['id', 'received_at'])
      .where('received_at', '>=', at)
      .where('received_at', '<=', to)
      .where((eb) => eb.or([eb('received_at', '>', at), eb('id', '>', id)]))
      .orderBy('received_at')
      .orderBy('id')
      .limit(CHUNK)
      .execute()
  for await (const found of inChunks(reading, (last: Place | null) => read(last ?? first))) {
    yield found.flatMap(({ place, reported }) => {
      const courses = coursesWith('enrolled', reported.lines).filter((course) => isWatched(reported, course))
      return courses.length === 0 ? [] : [{ reported, courses, isWeekly: becameDue(place.received_at, due, WEEK_MS) }]
    })
  }
}

/** A delivery in the order of salesOf. */
type Place = Pick<DeliveryRow, 'id' | 'received_at'>

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
