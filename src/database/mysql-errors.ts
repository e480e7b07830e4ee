import type { Trouble } from './dialect.ts'
import type { Obstacle } from './inspection.ts'

/** What an error number of a MySQL or MariaDB server says, where that is more than that a statement is wrong. */
interface ServerError {
  readonly trouble?: Trouble
  /** What has to be set right before the database can be used. */
  readonly obstacle?: Obstacle
  /** What to do, where the server's own words don't say it. */
  readonly words?: string
}

const EXISTS: ServerError = { trouble: 'exists' }
const CONFLICT: ServerError = { trouble: 'conflict' }
const UNAVAILABLE: ServerError = { trouble: 'unavailable' }
const ENCRYPTED_ONLY =
  'the server takes encrypted connections only, and this service makes none; set require_secure_transport=OFF there'

const ERRORS: ReadonlyMap<number, ServerError> = new Map([
  [1040, UNAVAILABLE], // too many connections
  [1044, { ...UNAVAILABLE, obstacle: 'no_right' }], // to the database (not granted yet)
  [1045, { ...UNAVAILABLE, obstacle: 'access_denied' }], // the user is not made yet
  [1047, UNAVAILABLE], // a cluster's node that is not ready
  [1049, { ...UNAVAILABLE, obstacle: 'missing' }], // the database is not made yet
  [1050, EXISTS], // a table
  [1053, UNAVAILABLE], // the server shuts down
  [1060, EXISTS], // a column
  [1061, EXISTS], // an index
  [1129, UNAVAILABLE], // this host is blocked
  [1130, UNAVAILABLE], // this host may not connect
  [1142, { obstacle: 'no_right' }], // to a table
  [1203, UNAVAILABLE], // the user has too many connections
  [1205, CONFLICT], // waited too long for a lock
  [1213, CONFLICT], // deadlock
  [1226, UNAVAILABLE], // the user has too many connections, or has done too much for this hour
  [1290, UNAVAILABLE], // the server is read-only, as during a failover
  [1317, UNAVAILABLE], // the statement was interrupted
  [1698, { ...UNAVAILABLE, obstacle: 'access_denied' }],
  [1820, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user's password has expired
  [1836, UNAVAILABLE], // read-only
  [1862, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user's password has expired
  [1927, UNAVAILABLE], // the connection was killed
  [3032, UNAVAILABLE], // offline mode
  [3101, CONFLICT], // undone in the commit, for another server of a group had changed the same row
  [3118, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user is locked
  // MySQL; in MariaDB it is "access denied".
  [3159, { ...UNAVAILABLE, obstacle: 'unusable', words: ENCRYPTED_ONLY }],
  [3169, UNAVAILABLE], // the connection was killed
  [3955, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user is locked after too many wrong passwords
  [4031, UNAVAILABLE], // closed, for nothing was heard for too long
  [4151, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user is locked, by MariaDB
])

/** What is known of a failure by the server's error number; undefined for any other, as of SQLite or the network. */
export const serverErrorOf = (error: unknown): ServerError | undefined =>
  error instanceof Error && 'errno' in error ? ERRORS.get(Number(error.errno)) : undefined
