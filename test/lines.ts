import type { Kysely } from 'kysely'
import type { Tables } from '../src/database/schema.ts'
import { changedLines, type Facts, factsOf, storeLines, withLines } from '../src/queue/lines.ts'

const linesOf = async (db: Pick<Kysely<Tables>, 'selectFrom'>, id: string) =>
  (await withLines(db, [{ id }])).flatMap(({ lines }) => lines)

/** What the lines of a delivery tell. */
export const factsIn = async (db: Kysely<Tables>, id: string): Promise<Facts> => factsOf(await linesOf(db, id))

/** Changes what the lines of a delivery tell, as if the service had found it out. */
export const setFacts = (db: Kysely<Tables>, id: string, facts: Partial<Facts>): Promise<void> =>
  db.transaction().execute(async (trx) => storeLines(trx, changedLines(await linesOf(trx, id), facts)))
