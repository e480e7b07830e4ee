/**
 * Why a database can't be used. `not_writable` is for SQLite only; MySQL distinguishes the others. `unusable` stands for
 * any other error.
 */
export type Obstacle =
  | 'unreachable'
  | 'access_denied'
  | 'missing'
  | 'no_right'
  | 'not_writable'
  | 'unusable'
  | TlsObstacle

/**
 * Why TLS with the server fails. `tls_required`: the server refuses a connection without TLS. `tls_failed`: the server
 * has no version or cipher of TLS in common with this service.
 */
export type TlsObstacle =
  | 'tls_required'
  | 'tls_not_offered'
  | 'tls_untrusted'
  | 'tls_name'
  | 'tls_expired'
  | 'tls_failed'

/** What a MySQL or MariaDB server says of itself. */
export interface ServerTraits {
  /** The server variables by which it takes no writes, such as read_only=ON; null if it takes them. */
  readonly readOnly: string | null
  /** Whether it is a node of a Galera cluster. */
  readonly galera: boolean
}

/** What a database holds, and which services use it. */
export interface Inspection {
  /** The number of applied migrations; 0: none, or the file doesn't exist yet. */
  readonly level: number
  /** The number of migrations that code must know to work with it. */
  readonly oldestCode: number
  /** The clocks of the database and of this machine at the same time, ms since 1970; null if they are the same clock. */
  readonly clock: { readonly theirs: number; readonly ours: number } | null
  /** What the server says of itself; null for a SQLite file. */
  readonly server: ServerTraits | null
  /** The number of services. `silent` services have sent no heartbeat for so long that they count as dead. `names`: of both. */
  readonly services: { readonly alive: number; readonly silent: number; readonly names: readonly string[] }
  /** The distinct outcomes of the latest 5,000 pre-enrolled deliveries, as they are stored: JSON. */
  readonly preEnrolled: readonly string[]
}

/** `name` names the database without its password. */
export type Inspected =
  | { readonly ok: true; readonly name: string; readonly found: Inspection }
  | { readonly ok: false; readonly name: string; readonly obstacle: Obstacle; readonly reason: string }

/** The same for all databases. It reads an index and at most 5,000 rows. */
export const PRE_ENROLLED_SQL =
  "select distinct outcome from (select outcome from deliveries where state = 'pre_enrolled' and outcome is not null order by active_at desc limit 5000) as latest"
