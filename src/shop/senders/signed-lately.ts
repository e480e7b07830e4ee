import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'

/** How many of the newest deliveries count as lately. */
const LATELY = 50

/** How the shop signed one of the newest deliveries; `at` is when the latest of that form came (ms since 1970). */
export interface FormLately {
  readonly form: string
  readonly at: number
}

/** The signature forms of the newest deliveries that came from the shop, the latest first. */
export async function formsLately(db: Kysely<Tables>): Promise<FormLately[]> {
  const newest = await db
    .selectFrom('deliveries')
    .select(['form', 'source', 'received_at'])
    .orderBy('id', 'desc')
    .limit(LATELY)
    .execute()
  const own = newest.filter(({ source }) => source === 'shop')
  return [...Map.groupBy(own, ({ form }) => form)].flatMap(([form, [latest]]) =>
    latest === undefined ? [] : [{ form, at: latest.received_at }],
  )
}
