import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { readRequest } from '../inbox/rows.ts'

/** One statement looks up this many keys, in the latest deliveries of each. */
const CHUNK = 20
const LATEST = 3

/**
 * Returns course keys as the shop last sent them, by the same keys in lower case, as the index has them. A key that none
 * of its latest sales spells is absent.
 */
export async function spellCourses(db: Kysely<Tables>, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const spelled = new Map<string, string>()
  for (let i = 0; i < keys.length; i += CHUNK) {
    const [first, ...more] = keys.slice(i, i + CHUNK).map((key) => latestOf(db, key))
    if (first === undefined) break
    const rows = await more.reduce((all, one) => all.unionAll(one), first).execute()
    for (const { course, request } of rows) {
      if (course === null || spelled.has(course)) continue
      const sent = coursesOf(request).find((key) => key.trim().toLowerCase() === course)
      if (sent !== undefined) spelled.set(course, sent)
    }
  }
  return spelled
}

const latestOf = (db: Kysely<Tables>, key: string) =>
  db
    .selectFrom(
      db
        .selectFrom('deliveries')
        .modifyFront(sql`/*+ INDEX(deliveries deliveries_course) */`)
        .select(['course', 'request'])
        .where('course', '=', key)
        .orderBy('active_at', 'desc')
        .limit(LATEST)
        .as('latest'),
    )
    .select(['course', 'request'])

function coursesOf(request: string | null): readonly string[] {
  try {
    return request === null ? [] : readRequest(request).courseIds
  } catch {
    return [] // the claim reports a row that can't be read
  }
}
