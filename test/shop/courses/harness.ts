import type { TestContext } from 'node:test'
import { defaultWorld } from '../../../sandbox/default-world.ts'
import type { Course } from '../../../sandbox/lms/world.ts'
import type { StandInOptions } from '../../../sandbox/stand-in.ts'
import { catalogueIn, createCatalogueReader, readRow } from '../../../src/shop/courses/catalogue.ts'
import { type Reading, readLms } from '../../../src/shop/courses/read-lms.ts'
import { SOLD_MS, soldCourses } from '../../../src/shop/courses/sold-courses.ts'
import { storeContents, storeFailure } from '../../../src/shop/courses/store.ts'
import { acquire, setUp as setUpFollowUp } from '../../enroll/follow-up/harness.ts'

/** The default world with other courses. */
export const worldOf = (courses: readonly Course[]) => ({ ...defaultWorld, courses: [...courses], enrollments: [] })

/** Courses with the keys course-v1:Many+C0000+2026, ….  */
export const manyCourses = (count: number): Course[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `course-v1:Many+C${String(n).padStart(4, '0')}+2026`,
    name: `Course ${n}`,
  }))

/** A database, a stand-in LMS, and the catalogue between them. The clock of the database stands still. */
export async function setUp(t: TestContext, options: StandInOptions = {}) {
  const bench = await setUpFollowUp(t, options)
  const { context, db, lms } = bench
  const read = createCatalogueReader(db)

  /** Reads the LMS once and stores what came of it; `changed` replaces parts of what reads. */
  const refresh = async (changed: Partial<Reading> = {}) => {
    const row = await readRow(db)
    const sold = await soldCourses(db, context.now() - SOLD_MS)
    const before = catalogueIn(row)
    const found = await readLms({ lms, turn: async () => {}, acquire, sold, before, now: context.now, ...changed })
    if (found.ok) await storeContents(context, { before, after: found.value })
    else await storeFailure(context, found.failure.message)
    return found
  }
  return { ...bench, read, refresh }
}
export type Bench = Awaited<ReturnType<typeof setUp>>
