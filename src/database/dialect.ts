import type { Kysely, RawBuilder } from 'kysely'
import type { Tables } from './schema.ts'

/**
 * What a failed statement means. `exists`: what it was to create is there already. `conflict`: another transaction was
 * in the way and this one was rolled back; it can be tried again. `unavailable`: the database can't be reached or
 * doesn't serve; whether the last commit took effect is unknown. `other`: it would fail again.
 */
export type Trouble = 'exists' | 'conflict' | 'unavailable' | 'other'

/** All in which the kinds of databases differ for us. The statements themselves are the same text for each. */
export interface Dialect {
  /** Ends a CREATE TABLE. */
  readonly tableOptions: RawBuilder<unknown>
  /** The database's own clock, in ms since 1970: the one clock that all replicas share. */
  readonly clock: RawBuilder<number>
  /** Whether one service at a time holds the database, so that whoever else wrote in it is dead. */
  readonly exclusive: boolean
  readonly troubleOf: (error: unknown) => Trouble
}

export interface Database {
  readonly db: Kysely<Tables>
  readonly dialect: Dialect
  /** As it may be shown to anybody who operates the service: without the password. */
  readonly name: string
  /**
   * Sees to it that what was deleted can't be read in the database's files, where they are ours. `traces` are texts
   * that stood in it. false: some still do, and only rewriting the whole file would help, which takes long
   * (`atAnySize`).
   */
  scrub(order: { traces: readonly string[]; atAnySize: boolean }): Promise<boolean>
  close(): Promise<void>
}
