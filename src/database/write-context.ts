import type { Database } from './dialect.ts'

/** What a change of the database is made with. */
export interface WriteContext {
  readonly database: Pick<Database, 'db' | 'dialect'>
  /** ms since 1970 */
  readonly now: () => number
  readonly newId: () => string
  /** From 0 to 1, as Math.random gives it. */
  readonly random: () => number
}
