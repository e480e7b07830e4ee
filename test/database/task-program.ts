import { threadId } from 'node:worker_threads'
import { sql } from 'kysely'
import { serveWriter } from '../../src/database/sqlite/thread.ts'
import type { Tasks } from '../../src/database/tasks.ts'

/** `sell`: adds two sales in a transaction, which `fails` before its end if so wanted. */
export type SellTask =
  | { readonly kind: 'sell'; readonly fails: boolean; readonly isUrgent?: true }
  | { readonly kind: 'where' }

/** The program of a thread, and its tasks. Results: the number of sales in the transaction, or the id of the thread. */
export const SELL_TASKS: Tasks<SellTask, number> = {
  program: import.meta.filename,
  isUrgent: (task) => task.kind === 'sell' && task.isUrgent === true,
  start:
    ({ db }) =>
    (task) => {
      if (task.kind === 'where') return Promise.resolve(threadId)
      return db.transaction().execute(async (trx) => {
        await sql`insert into sales default values`.execute(trx)
        await sql`insert into sales default values`.execute(trx)
        const { rows } = await sql<{ count: number }>`select count(*) as count from sales`.execute(trx)
        if (task.fails) throw Object.assign(new Error('sold out'), { code: 'SOLD_OUT' })
        return rows[0]?.count ?? 0
      })
    },
}

if (threadId > 0) serveWriter(SELL_TASKS)
