import { threadId } from 'node:worker_threads'
import { sql } from 'kysely'
import { serveWriter } from '../src/database/sqlite-thread.ts'
import type { Tasks } from '../src/database/tasks.ts'

/** A webhook to be stored, or a change of its state. */
export interface LeastRow {
  readonly digest: string
  /** null: the webhook is stored already, and its state changes. */
  readonly body: Uint8Array | null
}

/** Stores these rows in one transaction of the thread that writes. */
export const LEAST_TASKS: Tasks<readonly LeastRow[], readonly boolean[]> = {
  program: import.meta.filename,
  isUrgent: () => false,
  start:
    ({ db }) =>
    (rows) =>
      db.transaction().execute(async (trx) => {
        for (const { digest, body } of rows) {
          await (body === null
            ? sql`update sales set state = state + 1 where digest = ${digest}`
            : sql`insert or ignore into sales (digest, body, state) values (${digest}, ${body}, 0)`
          ).execute(trx)
        }
        return rows.map(() => true)
      }),
}

if (threadId > 0) serveWriter(LEAST_TASKS)
