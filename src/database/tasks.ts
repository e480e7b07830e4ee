import type { Database } from './dialect.ts'

export type RunTask<Task, Result> = (task: Task) => Promise<Result>

/**
 * Transactions that run next to the connection that writes: for SQLite in its thread, so that a whole transaction takes
 * one message there and one back. A task and its result are data that structured cloning copies.
 */
export interface Tasks<Task, Result> {
  /** The program of the thread: a file that calls serveWriter with these tasks. */
  readonly program: string
  /** Whether a task comes before all transactions that wait. */
  readonly isUrgent: (task: Task) => boolean
  readonly start: (database: Pick<Database, 'db' | 'dialect'>) => RunTask<Task, Result>
}
