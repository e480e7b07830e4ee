import type { Generated } from 'kysely'
import type { DeliveryState, EventKind, Source } from '../delivery/types.ts'
import type { SenderRow } from './sender-row.ts'

/** The tables as Kysely sees them; migrations.ts creates them. Times are milliseconds since 1970. */
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
  /** In lower case, for search. '' if there is none, null in a row that older code inserted (see backfill.ts). */
  username: string | null
  /** The first course key, likewise; the others are in further_courses. */
  course: string | null
  /** When its courses were first enrolled or pre-enrolled. */
  enrolled_at: number | null
  replayed_at: number | null
  generation: number
  /** 1 from the start of an attempt until its effect in the LMS is known. */
  effect_unknown: number
  /** JSON: what the last check found in the LMS for each course; null before the first check. */
  standings: string | null
  source: Source
  replaces: string | null
  replaced_by: string | null
  /** The webhook-id that the delivery first came with; null if the shop signs without one. */
  webhook_id: string | null
}

/** The second and further courses of a delivery, so that a search finds it by each. active_at is the delivery's. */
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

/** The audit: references to events with an actor. A bulk replay is one entry; the events of its deliveries are none. */
export interface AuditRow {
  event_id: string
  delivery_id: string
}

/** An operator's order to replay what a filter finds. `came_to_*` is the position of the last row it looked at. */
export interface BulkReplayRow {
  id: string
  filter: string
  /** 1 if it includes deliveries that are enrolled or pre-enrolled. */
  enrolled: number
  actor: string
  started_at: number
  ended_at: number | null
  state: 'running' | 'done' | 'stopped'
  replayed: number
  total: number | null
  came_to_at: number
  came_to_id: string
}

/** Counts for one UTC day, so that no page has to scan the deliveries. */
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

/**
 * Who does a task that only one replica may do at a time. `until` is a time of the database's clock: after it, another
 * replica may take over.
 */
export interface LeaseRow {
  name: string
  owner: string
  until: number
}

/**
 * An operator's or the shop's order to take a buyer out of courses again. `courses` is a JSON list of true course keys.
 * Without `ended_at`, it is still to be done: `due_at` is the time of its next attempt.
 */
export interface WithdrawalRow {
  id: string
  delivery_id: string
  courses: string
  /** 1 if the order names paid modes too. */
  paid: number
  /** The generation of the delivery when it was ordered. A repeat or a replay since then supersedes the order. */
  generation: number
  /** The replica that carries it out. If no replica has this name any more, another one may claim the order. */
  owner: string | null
  /** 1 from the first call that may change something in the LMS. */
  effect_unknown: number
  actor: string
  requested_at: number
  due_at: number
  attempts: number
  ended_at: number | null
  /** JSON: the result of each course so far, and why the last attempt failed; null before the first attempt. */
  result: string | null
  /** The refund by the shop that ordered it; null if an operator did. */
  refund_id: string | null
}

/**
 * The webhook-ids that are not in the row of a delivery. `refund`: the shop sent a refund under it. `sale`: a repeat of
 * the delivery came under it, and the delivery has another one.
 */
export interface WebhookIdRow {
  webhook_id: string
  purpose: 'refund' | 'sale'
  /** Of a refund, one of the deliveries that it concerns; '' if it concerns none. */
  delivery_id: string
  /** Of a refund that was accepted: the digest of its payload, and a JSON list of the withdrawals that it waits for. */
  digest: string | null
  orders: string | null
  received_at: number
}

/** A person who is signed in to the console. `id` is the hash of the token in the browser. */
export interface ConsoleSessionRow {
  id: string
  username: string
  refresh_token: string | null
  started_at: number
  confirmed_at: number
  renew_at: number
}

/** An event for the shop that was not delivered yet. `body` is the JSON that is sent, and holds no personal data. */
export interface OutboxRow {
  id: string
  delivery_id: string
  type: string
  body: string
  created_at: number
  due_at: number
  /** An attempt that fails after this time is the last one. */
  expires_at: number
  attempts: number
  /** The replica that is sending it. */
  owner: string | null
  /** When the last attempt failed: it is sent no more unless an operator sends it again. */
  failed_at: number | null
  /** Why the latest attempt failed. */
  error: string | null
}

/** What all replicas know of the shop's endpoint for events. There is one row, 'shop'. */
export interface EndpointRow {
  name: string
  /** SHA-256 of LERNITO_EVENTS_URL in hex: another address starts anew. */
  url_digest: string
  /** `down`: one event at a time is sent, as a probe. `gone`: it answered 410, and nothing is sent. */
  state: 'up' | 'down' | 'gone'
  /** Failed attempts since the latest success. */
  failures: number
  /** Since when it is not up. */
  since: number | null
  /** When the next probe may be sent. */
  probe_at: number
  error: string | null
  error_at: number | null
  /** About when it last accepted an event. */
  sent_at: number | null
}

/** A cause that operators are notified of. The table is small: see MAX_CAUSES in src/notify/notices.ts. */
export interface NoticeRow {
  /** SHA-256 in hex of what makes the cause: see noticeId. */
  id: string
  kind: 'delivery' | 'withdrawal' | 'lms' | 'events'
  /** The code of the reason, or of the fault. */
  code: string
  /** A course key, or the id of a delivery; '' if there is none. */
  subject: string
  /** What the LMS or the shop's endpoint said; '' if it said nothing. */
  detail: string
  first_at: number
  last_at: number
  /** How many came since the last text. Of a fault: 1 until a text told of it. */
  count: number
  /** How many texts told of it. */
  texts: number
  /** When the last of them was sent. */
  sent_at: number | null
}

/** Up to where the rows of a table were counted for notifications. */
export interface NoticePositionRow {
  name: string
  at: number
  id: string
}

export interface MigrationRow {
  id: number
  oldest_code: number
  applied_at: number
}

/** Columns with a default: older code inserts rows without them. */
type Defaults = 'generation' | 'effect_unknown' | 'source' | 'standings' | 'replaces' | 'replaced_by' | 'webhook_id'

type WithdrawalDefaults = 'generation' | 'owner' | 'effect_unknown' | 'refund_id'

export interface Tables {
  deliveries: Omit<DeliveryRow, Defaults> & { [Name in Defaults]: Generated<DeliveryRow[Name]> }
  further_courses: FurtherCourseRow
  events: EventRow
  audit: AuditRow
  bulk_replays: BulkReplayRow
  leases: LeaseRow
  withdrawals: Omit<WithdrawalRow, WithdrawalDefaults> & {
    [Name in WithdrawalDefaults]: Generated<WithdrawalRow[Name]>
  }
  webhook_ids: WebhookIdRow
  outbox: OutboxRow
  endpoints: EndpointRow
  notices: NoticeRow
  notice_positions: NoticePositionRow
  senders: SenderRow
  counters: CounterRow
  replicas: ReplicaRow
  console_sessions: ConsoleSessionRow
  migrations: MigrationRow
}
