import type { DeliveryRow } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import { type Background, runBackgroundLoop } from './background-loop.ts'
import { readRequest } from './rows.ts'
import { insertFurtherCourses, type SearchTerms, searchTermsOf } from './search-terms.ts'

/** So few at once that no writer waits long, with a rest in between that is longer than the step. */
const STEP = 100
const REST_MS = 100
const MINUTE_MS = 60_000

/**
 * Gives deliveries that older code stored what they are found by: one step, of at most 100. An older replica beside
 * this one goes on storing such, so there is no end after which none can come; what is done is marked in the row, and
 * an index finds the rest. Gives how many there were.
 */
export async function backfillStep({ database, random }: Pick<WriteContext, 'database' | 'random'>): Promise<number> {
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
        const enrolled = row.state === 'succeeded' ? { enrolled_at: row.settled_at } : {}
        await trx
          .updateTable('deliveries')
          .set({ username: searchTerms.username, course: searchTerms.courses[0] ?? null, ...enrolled })
          .where('id', '=', row.id)
          .where('username', 'is', null)
          .execute()
      }
      const several = filled.filter(({ searchTerms }) => searchTerms.courses.length > 1)
      if (several.length === 0) return
      // Read when the rows are locked: one that is settled meanwhile would keep its old place in the list.
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
  const address: SearchTerms = { email, username: '', courses: [] }
  if (request === null) return address
  try {
    return searchTermsOf(readRequest(request))
  } catch {
    return address // the row can't be read: whoever works on it says so, and it is found by its address alone
  }
}

/** Fills in what older code left out, a minute after another, until the signal is aborted. Work goes on meanwhile. */
export function runBackfill({
  context,
  guard,
  ...background
}: Background & { context: Pick<WriteContext, 'database' | 'random'> }): Promise<void> {
  const round = async (): Promise<number> => {
    const filled = await guard(() => backfillStep(context))
    return filled > 0 ? REST_MS : MINUTE_MS
  }
  return runBackgroundLoop({ ...background, round, againMs: MINUTE_MS })
}
