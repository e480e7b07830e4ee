import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { openDatabase } from '../../../src/database/database.ts'
import { inTransaction } from '../../../src/database/transaction.ts'
import { DONE_STATES } from '../../../src/sale/types.ts'

const EVERY_MS = 1500
const HOUR_MS = 3_600_000
/** Older than a sale is when it is first looked at, however the times of the courses spread over the day. */
const SALE_MS = 40 * HOUR_MS
const WEEK_MS = 8 * 24 * HOUR_MS

/** SQLITE_BUSY */
const isLocked = (error: unknown): boolean => error instanceof Error && 'errcode' in error && error.errcode === 5

/**
 * Makes the weekly look at the enrolled buyers due in each of its rounds while `work` runs: the stored sales become some
 * days older, and the last round a week.
 */
export async function whileAging<Result>(databaseUrl: string, work: () => Promise<Result>): Promise<Result> {
  const { db, dialect, close } = openDatabase({ url: databaseUrl, serve: false })
  const stop = new AbortController()
  const random = (): number => randomInt(1000) / 1000
  const age = async (): Promise<void> => {
    const young = Date.now() - SALE_MS
    const rows = await db
      .selectFrom('deliveries')
      .select('id')
      .where('state', 'in', DONE_STATES)
      .where('received_at', '>', young)
      .execute()
    const ids = rows.map(({ id }) => id).sort()
    await inTransaction({
      database: { db, dialect },
      random,
      body: async (trx) => {
        if (ids.length > 0) {
          const older = trx.updateTable('deliveries').set((eb) => ({ received_at: eb('received_at', '-', SALE_MS) }))
          await older.where('id', 'in', ids).where('received_at', '>', young).execute()
        }
        await trx
          .updateTable('rounds')
          .set({ came_to: Date.now() - WEEK_MS })
          .where('name', '=', 'enrolled')
          .execute()
      },
    })
  }
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await age().catch((error: unknown) => {
        // A process that is paused may hold the locks for as long: the next time does it.
        if (!['conflict', 'unavailable'].includes(dialect.errorKindOf(error)) && !isLocked(error)) throw error
      })
      await delay(EVERY_MS, null, { signal: stop.signal }).catch(() => {})
    }
  }
  const aging = run()
  aging.catch(() => {}) // thrown at the end
  try {
    return await work()
  } finally {
    stop.abort()
    await aging.finally(close)
  }
}
