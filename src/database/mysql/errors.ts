import { z } from 'zod'
import rows from './errors.json' with { type: 'json' }
import type { TlsObstacle } from './tls.ts'

/**
 * What an error number of a MySQL or MariaDB server means, if it means more than a wrong statement. A row of errors.json
 * that has something else ends the program at its start.
 */
const rowSchema = z.strictObject({
  /** When the server answers so, for readers of the table. */
  when: z.string(),
  kind: z.enum(['exists', 'conflict', 'unavailable']).optional(),
  /** What an operator has to fix before the database can be used. */
  obstacle: z.enum(['access_denied', 'missing', 'no_right', 'unusable', 'tls_required']).optional(),
  /** Cause and fix, if the server's own message doesn't name them. */
  words: z.string().optional(),
  /**
   * Whether the server serves no writes any more, as after a failover. A new connection may lead to the server that does
   * now; those that are open lead to this one for as long as they live.
   */
  retired: z.literal(true).optional(),
})
type ServerError = z.output<typeof rowSchema>

/**
 * Why a database can't be used. `not_writable` is for SQLite only; MySQL distinguishes the others. `unusable` stands for
 * any other error.
 */
export type Obstacle = 'unreachable' | 'not_writable' | NonNullable<ServerError['obstacle']> | TlsObstacle

const ERRORS = new Map(Object.entries(z.record(z.string(), rowSchema).parse(rows)))

/** What the server's error number means; undefined for an unknown one, and for errors of SQLite or the network. */
export const serverErrorOf = (error: unknown): ServerError | undefined =>
  error instanceof Error && 'errno' in error ? ERRORS.get(String(error.errno)) : undefined
