import type { Db } from '../../database/schema.ts'
import { hasCourse } from '../../sale/course-key.ts'
import { boundLateCalls } from '../change-deliveries.ts'
import { withLines } from '../lines.ts'
import { type ClaimedOrder, holdsOf } from './claimed-order.ts'
import { LIVE } from './keepers.ts'

/** How far the clocks of replicas may differ. */
const CLOCKS_DIFFER_MS = 1000

/**
 * Reads until when an order proves nothing by finding nothing, because the LMS may still carry out a call for its person
 * and one of its courses: of its own delivery, or of another one that doesn't keep the course. What a live one enrolls is
 * to stay. An end that lies too far ahead was written before the clock was set back, and is corrected. Resolves to `now` or
 * earlier if there is no such call.
 * @param of.landsMs for how long the LMS may carry out a call that nobody waits for any more
 * @param of.now ms since 1970
 */
export async function lateEnrolling(
  db: Db,
  { order, landsMs, now }: { order: ClaimedOrder; landsMs: number; now: number },
): Promise<number> {
  const { id: mine } = order.delivery
  const courses = order.lines.map(({ sent }) => sent)
  const rows = await db
    .selectFrom('deliveries as other')
    .select(['other.id', 'other.lands_until'])
    .where('other.email', 'in', holdsOf(order))
    .where((eb) => eb.or([eb('other.id', '=', mine), eb('other.state', 'not in', LIVE)]))
    .where('other.lands_until', 'is not', null)
    .execute()
  const concerned = (await withLines(db, rows)).filter(
    ({ id, lines }) => id === mine || lines.some(({ sent }) => hasCourse(courses, sent)),
  )
  const ends = concerned.map(({ lands_until }) => lands_until ?? 0)
  const tooFar = concerned
    .filter(({ lands_until }) => (lands_until ?? 0) > now + landsMs + CLOCKS_DIFFER_MS)
    .map(({ id }) => id)
  await boundLateCalls(db, tooFar, now + landsMs)
  return Math.min(now + landsMs, Math.max(0, ...ends))
}
