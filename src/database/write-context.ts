import type { NewId } from '../sale/ids.ts'
import type { Database } from './dialect.ts'

/** What every write to the database needs. */
export interface WriteContext {
  readonly database: Pick<Database, 'db' | 'dialect'>
  /** ms since 1970 */
  readonly now: () => number
  readonly newId: NewId
  /** From 0 to 1, as Math.random gives it. */
  readonly random: () => number
  /** Whether the shop gets events: each change then stores those that it causes, in its own transaction. */
  readonly hasOutbox: boolean
}
