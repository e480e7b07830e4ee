import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { aboutOfBody } from '../sale/payload/rules.ts'
import type { About } from '../sale/types.ts'

/** Longer bodies are not read for a list. A sale of 20 courses has about 1 KiB. */
const BODY_MAX = 4096

/**
 * Returns what the shop sent in the payloads of deliveries that have no request, because they were rejected for their
 * payload. Their search terms are in lower case. A delivery with a long or unreadable body is absent.
 */
export async function readAsSent({
  db,
  ids,
}: {
  db: Kysely<Tables>
  ids: readonly string[]
}): Promise<ReadonlyMap<string, About>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('deliveries')
    .select(['id', 'body'])
    .where('id', 'in', ids)
    .where(({ eb, ref }) => eb(sql<number>`length(${ref('body')})`, '<=', BODY_MAX))
    .execute()
  return new Map(
    rows.map(({ id, body }) => {
      const { courseIds = [], ...about } = aboutOfBody(body)
      const courses = courseIds.filter((key) => key.trim() !== '')
      return [id, courses.length === 0 ? about : { ...about, courseIds: courses }]
    }),
  )
}
