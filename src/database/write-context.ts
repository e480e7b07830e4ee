import type { Transaction } from 'kysely'
import type { Database } from './dialect.ts'
import type { Tables } from './schema.ts'

/** What every write to the database needs. */
export interface WriteContext {
  readonly database: Pick<Database, 'db' | 'dialect'>
  /** ms since 1970 */
  readonly now: () => number
  /** See createIds. */
  readonly newId: () => string
  /** From 0 to 1, as Math.random gives it. */
  readonly random: () => number
  /** Whether the shop gets events: each change then stores those that it causes, in its own transaction. */
  readonly hasOutbox: boolean
}

/** The same within an open transaction. All that it writes has the time `at`, ms since 1970. */
export interface TransactionContext extends Pick<WriteContext, 'newId' | 'hasOutbox'> {
  readonly trx: Transaction<Tables>
  readonly at: number
}
