import { z } from 'zod'
import type { CatalogueRow, Db } from '../../database/schema.ts'
import { courseIdentity } from '../../sale/course-key.ts'
import { closestCourse } from './closest-course.ts'
import { courseOfLms, obstacles } from './sellable.ts'

/** The only row of the table. */
export const CATALOGUE = 'lms'

const past = z.object({
  /** When the change was found, ms since 1970. */
  until: z.number(),
  name: z.string().nullable(),
  /** null: it could be sold. */
  reason: z.enum([...obstacles.options, 'missing']).nullable(),
})
/** How a sold course was before it last changed. */
export type Past = Readonly<z.infer<typeof past>>

/** `was`: null if no change is known. */
const course = courseOfLms.extend({
  /** Why it should not have been sold when the catalogue was stored; null if it could be. */
  reason: obstacles.nullable(),
  was: past.nullable(),
})
/** A course of the LMS, as the catalogue keeps it. */
export type Course = Readonly<z.infer<typeof course>>

/** A course that was sold and that the LMS doesn't have. `name`: that of the time when it had it. */
const missingCourse = z.object({
  key: z.string(),
  name: z.string().nullable(),
  modes: z.null(),
  reason: z.literal('missing'),
  was: past.nullable(),
})
/** What is known of a course that the LMS has, or that was sold and that it doesn't have. */
export type Known = Course | Readonly<z.infer<typeof missingCourse>>

const contents = z.object({ courses: z.array(course).readonly(), missing: z.array(missingCourse).readonly() })
/** What the LMS has told about its courses, by key. */
export type Contents = Readonly<z.infer<typeof contents>>

/** The row before the LMS was first asked. */
export const FIRST_ROW: CatalogueRow = {
  name: CATALOGUE,
  version: 0,
  checked_at: null,
  failed_at: null,
  failure: null,
  courses: '{"courses":[],"missing":[]}',
}

/**
 * Returns a function that reads the catalogue. It reads and parses the courses only if they have changed since it last
 * did, so it is cheap enough for every page.
 */
export function createCatalogueReader(db: Db): () => Promise<Catalogue> {
  let known: Catalogue | null = null
  return async () => {
    const state = await db
      .selectFrom('catalogue')
      .select(['version', 'checked_at', 'failed_at', 'failure'])
      .where('name', '=', CATALOGUE)
      .executeTakeFirst()
    if (state !== undefined && known?.version === state.version) return catalogueOf(state, known)
    known = catalogueIn(await readRow(db))
    return known
  }
}

/** The stored row, or the first one. */
export async function readRow(db: Db): Promise<CatalogueRow> {
  const row = await db.selectFrom('catalogue').selectAll().where('name', '=', CATALOGUE).executeTakeFirst()
  return row ?? FIRST_ROW
}

/** For so many wrong keys the closest one is remembered, because pages ask for the same ones again and again. */
const COMPARED_MAX = 200

/** The same contents, in which courses can be found. */
function indexed(of: Contents) {
  const all = new Map<string, Known>([...of.missing, ...of.courses].map((one) => [courseIdentity(one.key), one]))
  const known = (key: string): Known | null => all.get(courseIdentity(key)) ?? null
  const find = (key: string): Course | undefined => {
    const one = known(key)
    return one === null || one.reason === 'missing' ? undefined : one
  }
  const closest = new Map<string, string | null>()
  return {
    ...of,
    /** The course that a key means as the shop may send it: in any letter case, with a branch. */
    find,
    /** What is known of it, also if the LMS doesn't have it; null: nothing. */
    known,
    /** The key of the course that a key which the LMS doesn't have was probably meant to be; null if none is similar. */
    closest: (key: string): string | null => {
      if (find(key) !== undefined) return null
      const before = closest.get(key)
      if (before !== undefined) return before
      if (closest.size >= COMPARED_MAX) closest.delete([...closest.keys()][0] ?? '')
      const found = closestCourse({ key, keys: of.courses.map((course) => course.key) })
      closest.set(key, found)
      return found
    },
  }
}
type Readings = ReturnType<typeof indexed>

function catalogueOf(row: Pick<CatalogueRow, 'version' | 'checked_at' | 'failed_at' | 'failure'>, readings: Readings) {
  const { version, checked_at: checkedAt, failed_at, failure } = row
  return {
    ...readings,
    version,
    /** When the LMS was last asked with success; null: never. */
    checkedAt,
    /** Why it could not be asked since then; null if it could. */
    failure: failed_at === null || failure === null ? null : { at: failed_at, message: failure },
  }
}
/** The stored catalogue: what the LMS has told about its courses. Times are ms since 1970. */
export type Catalogue = Readonly<ReturnType<typeof catalogueOf>>

/** The catalogue that a row holds. */
export const catalogueIn = (row: CatalogueRow): Catalogue =>
  catalogueOf(row, indexed(contents.parse(JSON.parse(row.courses))))
