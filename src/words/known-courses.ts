import { type Kysely, sql } from 'kysely'
import { isMysql } from '../database/dialect.ts'
import type { Tables } from '../database/schema.ts'

/** The keys of one statement. */
const STEP = 500
/** A search looks at this many different course keys in each table. No shop sells more. */
const MAX_COURSES = 5000

type Table = 'deliveries' | 'further_courses'

/**
 * Returns the different course keys of all deliveries, in lower case. It jumps from key to key in the indexes by course,
 * so that it reads about one entry for each key, however many deliveries there are.
 */
export async function knownCourses(db: Kysely<Tables>): Promise<string[]> {
  // The one statement is as fast as the other only on its own kind of database; see decision 27.
  const next = isMysql(db) ? nextGroups : nextByRecursion
  const found = new Set<string>()
  for (const table of ['deliveries', 'further_courses'] as const) {
    for (let after = '', count = 0; count < MAX_COURSES; ) {
      const keys = await next(db, table, after)
      for (const key of keys) found.add(key)
      count += keys.length
      after = keys.at(-1) ?? after
      if (keys.length < STEP) break
    }
  }
  return [...found]
}

async function nextGroups(db: Kysely<Tables>, table: Table, after: string): Promise<string[]> {
  const query = db.selectFrom(table).select('course').where('course', '>', after)
  const rows = await query.groupBy('course').orderBy('course').limit(STEP).execute()
  return rows.flatMap(({ course }) => course ?? [])
}

async function nextByRecursion(db: Kysely<Tables>, table: Table, after: string): Promise<string[]> {
  const courses = sql.table(table)
  const { rows } = await sql<{ course: string }>`
    with recursive known as (
      select (select min(course) from ${courses} where course > ${after}) as course, 1 as n
      union all
      select (select min(one.course) from ${courses} as one where one.course > known.course), n + 1
        from known where known.course is not null and n < ${STEP})
    select course from known where course is not null`.execute(db)
  return rows.map(({ course }) => course)
}
