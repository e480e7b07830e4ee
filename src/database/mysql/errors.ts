import type { ErrorKind } from '../dialect.ts'
import type { Obstacle } from '../inspection.ts'

/** What an error number of a MySQL or MariaDB server means, if it means more than a wrong statement. */
interface ServerError {
  readonly kind?: ErrorKind
  /** What an operator has to fix before the database can be used. */
  readonly obstacle?: Obstacle
  /** Cause and fix, if the server's own message doesn't name them. */
  readonly words?: string
  /**
   * Whether the server serves no writes any more, as after a failover. A new connection may lead to the server that does
   * now; those that are open lead to this one for as long as they live.
   */
  readonly retired?: true
}

const EXISTS: ServerError = { kind: 'exists' }
const CONFLICT: ServerError = { kind: 'conflict' }
const UNAVAILABLE: ServerError = { kind: 'unavailable' }
const RETIRED: ServerError = { ...UNAVAILABLE, retired: true }
const ENCRYPTED_ONLY = 'the server takes connections with TLS only; end LERNITO_DATABASE_URL with ?tls=verify'
const READ_ONLY = 'the server is read-only; LERNITO_DATABASE_URL has to lead to the one that takes the writes'

const ERRORS: ReadonlyMap<number, ServerError> = new Map([
  [1040, UNAVAILABLE], // too many connections
  [1044, { ...UNAVAILABLE, obstacle: 'no_right' }], // no privilege on the database (not granted yet)
  [1045, { ...UNAVAILABLE, obstacle: 'access_denied' }], // the user may not exist yet
  [1047, RETIRED], // a cluster node that is not ready
  [1049, { ...UNAVAILABLE, obstacle: 'missing' }], // the database may not exist yet
  [1050, EXISTS], // a table
  [1053, RETIRED], // the server is shutting down
  [1060, EXISTS], // a column
  [1061, EXISTS], // an index
  [1129, UNAVAILABLE], // this host is blocked
  [1130, UNAVAILABLE], // this host may not connect
  [1142, { obstacle: 'no_right' }], // no privilege on a table
  [1203, UNAVAILABLE], // the user has too many connections
  [1205, CONFLICT], // lock wait timeout
  [1213, CONFLICT], // deadlock
  [1226, UNAVAILABLE], // the user has exceeded a resource limit, such as connections or queries per hour
  [1290, { ...RETIRED, words: READ_ONLY }], // for example during a failover
  [1317, UNAVAILABLE], // the statement was interrupted
  [1698, { ...UNAVAILABLE, obstacle: 'access_denied' }],
  [1792, { ...RETIRED, words: READ_ONLY }], // the server makes every transaction read-only
  [1820, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user's password has expired
  [1836, { ...RETIRED, words: READ_ONLY }],
  [1862, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user's password has expired
  [1927, UNAVAILABLE], // the connection was killed
  [3032, RETIRED], // offline mode
  [3101, CONFLICT], // rolled back in the commit, because another server of the group changed the same row
  [3118, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user is locked
  // MySQL only; MariaDB answers "access denied".
  [3159, { ...UNAVAILABLE, obstacle: 'tls_required', words: ENCRYPTED_ONLY }],
  [3169, UNAVAILABLE], // the connection was killed
  [3955, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user is locked after too many wrong passwords
  [4031, UNAVAILABLE], // the server closed an idle connection
  [4151, { ...UNAVAILABLE, obstacle: 'unusable' }], // the user is locked (MariaDB)
])

/** What the server's error number means; undefined for an unknown one, and for errors of SQLite or the network. */
export const serverErrorOf = (error: unknown): ServerError | undefined =>
  error instanceof Error && 'errno' in error ? ERRORS.get(Number(error.errno)) : undefined
