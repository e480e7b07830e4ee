import type { Database } from './dialect.ts'

export type RunTask<Task, Result> = (task: Task) => Promise<Result>

/**
 * Transactions that run next to the connection that writes: for SQLite in its thread, so that a whole transaction takes
 * one message there and one back. A task and its result are data that structured cloning copies.
 */
export interface Tasks<Task, Result> {
  /** The program of the thread: a file that calls serveWriter with these tasks. */
  readonly program: string
  readonly start: (database: Pick<Database, 'db' | 'dialect'>) => RunTask<Task, Result>
}
