import type { Generated } from 'kysely'
import type { DeliveryState, EventKind } from '../delivery/types.ts'

/** The tables as Kysely sees them; migrations.ts makes them. Times are milliseconds since 1970. */
export interface DeliveryRow {
  id: string
  digest: string
  state: DeliveryState
  owner: string | null
  due_at: number | null
  attempts: number
  received_at: number
  settled_at: number | null
  active_at: number
  email: string | null
  form: string
  body: Uint8Array
  request: string | null
  outcome: string | null
  /** In lower case, for the search; '' without one, null in a row that older code made (see backfill.ts). */
  username: string | null
  /** The first course key, in the same way; the others are in further_courses. */
  course: string | null
  /** The first success. */
  enrolled_at: number | null
  replayed_at: number | null
  generation: number
  /** 1 from the start of an attempt until its effect in the LMS is known. */
  effect_unknown: number
}

/** For deliveries of several courses, so that each is found; active_at is the delivery's. */
export interface FurtherCourseRow {
  delivery_id: string
  course: string
  active_at: number
}

export interface EventRow {
  id: string
  delivery_id: string
  at: number
  kind: EventKind
  detail: string
  actor: string | null
}

/** Where the events are that have an actor; a bulk replay is one of them, its deliveries' own events are not. */
export interface AuditRow {
  event_id: string
  delivery_id: string
}

/** An operator's order to replay what a filter finds; `came_to_*` is the place of the last one looked at. */
export interface BulkReplayRow {
  id: string
  filter: string
  succeeded: number
  actor: string
  started_at: number
  ended_at: number | null
  state: 'running' | 'done' | 'stopped'
  replayed: number
  total: number | null
  came_to_at: number
  came_to_id: string
}

/** Counts of one UTC day, so that no page has to scan the deliveries. */
export interface CounterRow {
  day: string
  name: string
  count: number
}

/** The services that share the database; `seen_at` is the time of the last heartbeat by the database's clock. */
export interface ReplicaRow {
  id: string
  seen_at: number
}

/** Who is signed in to the console. `id` is the hash of the token in the browser. */
export interface ConsoleSessionRow {
  id: string
  username: string
  refresh_token: string | null
  started_at: number
  confirmed_at: number
  renew_at: number
}

export interface MigrationRow {
  id: number
  oldest_code: number
  applied_at: number
}

/** The columns with a default, which older code leaves out when it inserts. */
type Defaults = 'generation' | 'effect_unknown'

export interface Tables {
  deliveries: Omit<DeliveryRow, Defaults> & { [Name in Defaults]: Generated<DeliveryRow[Name]> }
  further_courses: FurtherCourseRow
  events: EventRow
  audit: AuditRow
  bulk_replays: BulkReplayRow
  counters: CounterRow
  replicas: ReplicaRow
  console_sessions: ConsoleSessionRow
  migrations: MigrationRow
}
