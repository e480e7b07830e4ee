import type { Database } from '../../database/dialect.ts'
import type { Db } from '../../database/schema.ts'
import { courseIdentity } from '../../sale/course-key.ts'
import type { ReasonCode } from '../../sale/types.ts'

/** A course counts as sold here for this long after its last sale, ms. */
export const SOLD_MS = 90 * 24 * 3_600_000

/**
 * The keys of the courses that were sold since a time (ms since 1970), as the shop sent them, each course once. Test sales
 * and what a correction replaces don't count.
 */
export async function soldCourses(db: Db, since: number): Promise<readonly string[]> {
  const sales = db
    .selectFrom('deliveries')
    .where('received_at', '>=', since)
    .where('source', '!=', 'test')
    .where('replaced_by', 'is', null)
  const firsts = await sales.select('course').distinct().where('course', 'is not', null).execute()
  const further = await sales
    .innerJoin('delivery_lines', 'delivery_lines.delivery_id', 'deliveries.id')
    .select('sent as course')
    .distinct()
    .where('course_count', '>', 1)
    .execute()
  const keys = [...firsts, ...further].flatMap(({ course }) => course ?? [])
  return [...new Map(keys.map((key) => [courseIdentity(key), key])).values()]
}

/**
 * Tells which courses the LMS refuses: a sale needs attention for that reason, and for this course. The LMS names no cause,
 * so an operator who replays the sale or marks it as handled ends it.
 */
export const refusedCourses = (database: Reports): ReturnType<typeof coursesOf> =>
  coursesOf(database, 'lms.refused', 'reason_course')

/** Tells which courses the LMS did not have when they were sold. The catalogue knows it only after its next reading. */
export const missingCourses = (database: Reports): ReturnType<typeof coursesOf> =>
  coursesOf(database, 'course.missing', 'reason_text')

/** It reads each sale with such a reason, and there may be many. */
type Reports = Pick<Database, 'reports'>

/** The courses for which a sale needs attention for this reason. `column` has their keys. */
async function coursesOf(
  { reports }: Reports,
  reason: ReasonCode,
  column: 'reason_course' | 'reason_text',
): Promise<(key: string) => boolean> {
  const rows = await reports
    .selectFrom('deliveries')
    .select(({ ref }) => ref(column).as('key'))
    .distinct()
    .where('state', '=', 'needs_attention')
    .where('reason', '=', reason)
    .execute()
  const found = new Set(rows.flatMap(({ key }) => (key === null ? [] : [courseIdentity(key)])))
  return (key) => found.has(courseIdentity(key))
}
