import type { TestContext } from 'node:test'
import { defaultWorld } from '../../../sandbox/default-world.ts'
import type { Course } from '../../../sandbox/lms/world.ts'
import type { StandInOptions } from '../../../sandbox/stand-in.ts'
import { catalogueIn, createCatalogueReader, readRow } from '../../../src/shop/courses/catalogue.ts'
import { type Reading, readLms } from '../../../src/shop/courses/read-lms.ts'
import type { Selling } from '../../../src/shop/courses/sellable.ts'
import { refusedCourses, SOLD_MS, soldCourses } from '../../../src/shop/courses/sold-courses.ts'
import { storeContents, storeFailure } from '../../../src/shop/courses/store.ts'
import { acquire, setUp as setUpFollowUp } from '../../enroll/follow-up/harness.ts'
import { courseSchema, type GotCourse } from '../events/receiver.ts'

/** The default world with other courses. */
export const worldOf = (courses: readonly Course[]) => ({ ...defaultWorld, courses: [...courses], enrollments: [] })

/** Courses with the keys course-v1:Many+C0000+2026, ….  */
export const manyCourses = (count: number): Course[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `course-v1:Many+C${String(n).padStart(4, '0')}+2026`,
    name: `Course ${n}`,
  }))

/** The shop gets an event with this, by its course. */
export type Told = Pick<GotCourse, 'sequence' | 'data'>

/**
 * A database, a stand-in LMS, and the catalogue between them. The clock of the database stands still. `hasOutbox`: the
 * shop gets events.
 */
export async function setUp(t: TestContext, options: StandInOptions = {}, { hasOutbox = false } = {}) {
  const bench = await setUpFollowUp(t, options)
  const { db, lms } = bench
  const context = { ...bench.context, hasOutbox }
  const read = createCatalogueReader(db)

  /** Reads the LMS once and stores what came of it; `changed` replaces parts of what reads. */
  const refresh = async (changed: Partial<Reading> = {}, modeOf: Selling['modeOf'] = () => null) => {
    const row = await readRow(db)
    const sold = await soldCourses(db, context.now() - SOLD_MS)
    const before = catalogueIn(row)
    const found = await readLms({ lms, turn: async () => {}, acquire, sold, before, ...changed })
    if (found.ok) {
      const selling = { modeOf, isRefused: await refusedCourses(context.database) }
      await storeContents(context, { before, read: found.value, sold, selling })
    } else await storeFailure(context, found.failure.message)
    return found
  }

  /** The events that wait, as the shop will get them. */
  const waiting = async (): Promise<Told[]> => {
    const rows = await db
      .selectFrom('outbox')
      .select('body')
      .where('type', '=', 'course.changed')
      .orderBy('id')
      .execute()
    return rows.map(({ body }) => courseSchema.parse(JSON.parse(body)))
  }
  /** The same, which the shop then has. */
  const told = async (): Promise<Told['data'][]> => {
    const events = await waiting()
    await db.deleteFrom('outbox').where('type', '=', 'course.changed').execute()
    return events.map(({ data }) => data)
  }
  return { ...bench, context, read, refresh, waiting, told }
}
export type Bench = Awaited<ReturnType<typeof setUp>>
