import { sql } from 'kysely'
import { openWithTasks } from '../src/database/database.ts'
import type { RunTask } from '../src/database/tasks.ts'
import { LEAST_TASKS, type LeastRow } from './least-tasks.ts'

/** Opens a new SQLite file with one table of sales: no more than a sale needs so that it is not lost. */
export async function openLeastStore({ file }: { file: string }): Promise<{
  store: RunTask<readonly LeastRow[], readonly boolean[]>
  close: () => Promise<void>
}> {
  const { database, runTask } = openWithTasks({ url: `sqlite:${file}`, serve: false, tasks: LEAST_TASKS })
  await sql`create table sales (digest text primary key, body blob, state integer)`.execute(database.db)
  return { store: runTask, close: database.close }
}
