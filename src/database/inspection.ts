/**
 * Why a database can't be used. `unusable` is anything else that it answers. The rest is what MySQL tells apart, and
 * `not_writable`, which is SQLite's.
 */
export type Obstacle = 'unreachable' | 'access_denied' | 'missing' | 'no_right' | 'not_writable' | 'unusable'

/** What is in a database, and who works on it. */
export interface Inspection {
  /** How many migrations it has; 0: none yet, or there is no file yet. */
  readonly level: number
  /** How many migrations code must know to work with it. */
  readonly oldestCode: number
  /** The database's own clock and this machine's at the same moment, ms since 1970; null where they are one. */
  readonly clock: { readonly theirs: number; readonly ours: number } | null
  /** How many services are at work: `silent` ones have not been heard of for so long that they count as dead. */
  readonly services: { readonly alive: number; readonly silent: number }
}

/** `name` is the database without its password. */
export type Inspected =
  | { readonly ok: true; readonly name: string; readonly found: Inspection }
  | { readonly ok: false; readonly name: string; readonly obstacle: Obstacle; readonly reason: string }
