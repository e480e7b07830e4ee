import { type Background, runBackgroundLoop } from '../background-loop.ts'
import type { DeliveryRow } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import { isDone } from '../delivery/types.ts'
import { readRequest } from '../inbox/rows.ts'
import { insertFurtherCourses, type SearchTerms, searchTermsOf } from '../inbox/search-terms.ts'
import { renameStates } from '../migrations/rename-states.ts'
import { indexWords, unindexWords } from '../words/index-words.ts'
import { WORDS_VERSION } from '../words/words.ts'

/** Small steps, so that no writer waits long, and a rest between them that is longer than a step. */
const STEP = 100
const REST_MS = 100
const MINUTE_MS = 60_000

/**
 * Adds the search terms to deliveries that older code stored without them: one step of at most 100 deliveries. An older
 * replica on the same database keeps storing such rows, so the backfill never ends. A filled row has a username, and an
 * index finds the others. It also renames the states that such a replica stores. Resolves to how many deliveries the
 * step filled.
 */
export async function backfillStep({ database, random }: Pick<WriteContext, 'database' | 'random'>): Promise<number> {
  await renameStates(database.db)
  const rows = await database.db
    .selectFrom('deliveries')
    .select(['id', 'state', 'settled_at', 'request', 'email'])
    .where('username', 'is', null)
    .orderBy('id')
    .limit(STEP)
    .execute()
  if (rows.length === 0) return 0
  const filled = rows.map((row) => ({ row, searchTerms: searchTermsOfRow(row) }))
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      for (const { row, searchTerms } of filled) {
        const enrolled = isDone(row.state) ? { enrolled_at: row.settled_at } : {}
        await trx
          .updateTable('deliveries')
          .set({ username: searchTerms.username, course: searchTerms.courses[0] ?? null, ...enrolled })
          .where('id', '=', row.id)
          .where('username', 'is', null)
          .execute()
      }
      const several = filled.filter(({ searchTerms }) => searchTerms.courses.length > 1)
      if (several.length === 0) return
      // Read after the rows are locked: otherwise a row that is settled meanwhile keeps its old position in lists.
      const active = await trx
        .selectFrom('deliveries')
        .select(['id', 'active_at'])
        .where(
          'id',
          'in',
          several.map(({ row }) => row.id),
        )
        .execute()
      const activeAt = new Map(active.map((row) => [row.id, row.active_at]))
      await insertFurtherCourses(
        { trx },
        several.flatMap(({ row: { id }, searchTerms: { courses } }) => {
          const at = activeAt.get(id)
          return at === undefined ? [] : [{ id, activeAt: at, courses }]
        }),
      )
    },
    isStored: async () => false,
  })
  return rows.length
}

function searchTermsOfRow({ request, email }: Pick<DeliveryRow, 'request' | 'email'>): SearchTerms {
  const emailOnly = searchTermsOf({ email: email ?? '' })
  if (request === null) return emailOnly
  try {
    return searchTermsOf(readRequest(request))
  } catch {
    return emailOnly // the row can't be read; the claim reports that
  }
}

/**
 * Adds the words to deliveries that older code stored without them, or by older rules: one step of at most 100
 * deliveries, the latest first. Resolves to how many deliveries the step filled.
 */
export async function backfillWordsStep({
  database,
  random,
}: Pick<WriteContext, 'database' | 'random'>): Promise<number> {
  const rows = await database.db
    .selectFrom('deliveries')
    .select(['id', 'request', 'email', 'words'])
    .where('words_version', '<', WORDS_VERSION)
    .orderBy('words_version', 'desc')
    .orderBy('id', 'desc')
    .limit(STEP)
    .execute()
  if (rows.length === 0) return 0
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      const filled = []
      for (const row of rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
        const { words } = searchTermsOfRow(row)
        const { numUpdatedRows } = await trx
          .updateTable('deliveries')
          .set({ words, words_version: WORDS_VERSION })
          .where('id', '=', row.id)
          .where('words_version', '<', WORDS_VERSION)
          .executeTakeFirst()
        if (numUpdatedRows > 0n) filled.push({ row, words }) // else it was erased, or filled by another replica
      }
      await unindexWords(
        trx,
        filled.map(({ row }) => row),
      )
      await indexWords(
        trx,
        filled.map(({ row, words }) => ({ id: row.id, words })),
      )
    },
    isStored: async () => false,
  })
  return rows.length
}

/** Runs the backfill in the background: looks for unfilled rows every minute, until the signal is aborted. */
export function runBackfill({
  context,
  guard,
  ...background
}: Background & { context: Pick<WriteContext, 'database' | 'random'> }): Promise<void> {
  const round = async (): Promise<number> => {
    const filled = (await guard(() => backfillStep(context))) + (await guard(() => backfillWordsStep(context)))
    return filled > 0 ? REST_MS : MINUTE_MS
  }
  return runBackgroundLoop({ ...background, round, againMs: MINUTE_MS })
}
