import type { Kysely, Transaction } from 'kysely'
import type { CertificateStatus, CourseResult, CourseWithdrawal, Standing } from '../sale/line.ts'
import type { DeliveryState, EventKind, HandledAs, ReasonCode, Source } from '../sale/types.ts'

/** The tables as Kysely sees them; see src/database/migrations/initial-schema.sql. Times are milliseconds since 1970. */
export interface DeliveryRow {
  id: string
  digest: string
  /** The webhook-id that the delivery first came with, to show; null if the shop signs without one. See WebhookIdRow. */
  webhook_id: string | null
  source: Source
  form: string
  state: DeliveryState
  /** Why it is not done; all four are null if there is no reason. The text is what the reason is about: see Reason. */
  reason: ReasonCode | null
  reason_text: string | null
  /** The course that the reason came up in, if the text is something else. */
  reason_course: string | null
  /** The course key that the reason is about, as courseTerm spells it, so that a cause has one spelling. */
  subject: string | null
  due_at: number | null
  attempts: number
  generation: number
  /** 1 from the start of an attempt until its effect in the LMS is known. */
  effect_unknown: number
  /**
   * 1 if the next attempt reads what the LMS has before it enrolls, and leaves alone whoever was unenrolled, because the shop
   * has not sold anything anew.
   */
  reads_first: number
  /**
   * 1 for ever since an attempt with a call to the LMS began, or a withdrawal left it a course. Until then, a withdrawal has
   * nothing to look for.
   */
  may_have_effect: number
  /** The number of its last event: see nextPlaces in src/queue/events.ts. */
  last_event: number
  received_at: number
  settled_at: number | null
  active_at: number
  /** When its courses were first enrolled or pre-enrolled. */
  done_at: number | null
  replayed_at: number | null
  /** How an operator says that a handled delivery ended; null: no operator handled it, or a correction or a refund did. */
  handled_as: HandledAs | null
  /** In lower case; null if there is none. */
  email: string | null
  /** In lower case; '' if there is none. */
  username: string
  /** The first course key as the shop sent it. */
  course: string | null
  /** How many different courses the sale names: it has so many lines. */
  course_count: number
  replaces: string | null
  replaced_by: string | null
  /** What the shop sent, without letter case and accents: a line for each value. */
  search_text: string
  request: string | null
  /** When the first of its courses was found to have ended; see CourseStanding. null if all are as they were sold. */
  ended_at: number | null
  body: Uint8Array
}

/** One course of a delivery, and what is known of the buyer in it. */
export interface LineRow {
  delivery_id: string
  /** From 0, in the order in which the shop named the courses. */
  position: number
  /** The key as the shop sent it, without blanks around it. */
  sent: string
  /** The key as the LMS spells it; as the shop sent it until that is known. */
  course_key: string
  /** What the delivery reported; null if nothing is done. */
  result: CourseResult | null
  /** The LMS account that the course was given to; null if none is known. */
  user_id: number | null
  username: string | null
  /** 1 or null: see Line.named. */
  named: number | null
  /** 0, 1 or null: see Line.gave. */
  gave: number | null
  /** See Line.modeBefore. */
  mode_before: string | null
  /** 1 or null: see Line.claimed. */
  claimed: number | null
  /** What the last check found since the last result, see CourseStanding; all are null before the first check. */
  standing: Standing | null
  mode: string | null
  checked_at: number | null
  since: number | null
  ended_at: number | null
  /** 1 or null. */
  moved: number | null
  /** What the buyer has achieved, as the shop was told: see Achievement. */
  passed_at: number | null
  percent: number | null
  certificate: CertificateStatus | null
  certificate_url: string | null
  certificate_at: number | null
  /** The newest order to take the buyer out of the course: see LineWithdrawal. All are null if there is none. */
  withdrawal_id: string | null
  /** `failed`: see hasFailed. */
  withdrawal_state: 'open' | 'done' | 'failed' | null
  /** When it is attempted next, or when it has ended. */
  withdrawal_at: number | null
  withdrawal_paid: number | null
  withdrawal_had_before: number | null
  withdrawal_by: string | null
  withdrawal_refund: number | null
  withdrawal_requested_at: number | null
  withdrawal_attempts: number | null
  withdrawal_called: number | null
  withdrawal_kind: CourseWithdrawal['kind'] | null
  withdrawal_mode: string | null
  withdrawal_why: string | null
  withdrawal_kept_by: string | null
  withdrawal_moved: number | null
  withdrawal_message: string | null
}

export interface EventRow {
  id: string
  delivery_id: string
  at: number
  kind: EventKind
  detail: string
  actor: string | null
  /** The calls of the attempt that the event is the result of: see CallNote. */
  calls: string | null
  /** What the shop was answered, if the event records a request of the shop: see src/queue/shop-answers.ts. */
  answer: string | null
  /** Its place among the events of its delivery; 0 for an event of no delivery. */
  seq: number
  /** 1 of an entry of the audit, else null. A bulk replay or correction is one; the events of its deliveries are none. */
  audited: number | null
}

/** The services that share the database. */
export interface ReplicaRow {
  id: string
  /** The time of its last heartbeat by the database's clock. Only that it changes matters, except to doctor. */
  seen_at: number
}

/** The right of a replica to act for `name`, which is a person's address or another name: see Holds. */
export interface HoldRow {
  name: string
  /** '' if nobody acts under it, and a call that was made under it may still be carried out. */
  replica: string
  /** What a call under it may do to the person, also if it is carried out late; null if there was no call to the LMS. */
  effect: 'enrolls' | 'undoes' | null
  /** When such a call was given up that the LMS may still carry out; null if there is none. */
  late_at: number | null
}

/**
 * Each webhook-id that the shop has sent: of a refund, or of a sale, be it the first of its delivery or of a repeat. The
 * primary key decides what came first under it: see src/queue/webhook-ids.ts.
 */
export interface WebhookIdRow {
  webhook_id: string
  purpose: 'refund' | 'sale'
  /** Of a refund, one of the deliveries that it concerns; '' if it concerns none. */
  delivery_id: string
  /**
   * Of a refund that was accepted: the digest of its payload, and as JSON the withdrawals that it waits for (see Ordered). Of
   * one that was not, `digest` is that of its address, by which forget finds it.
   */
  digest: string | null
  orders: string | null
  received_at: number
}

/**
 * The webhook-id of a sale that was erased with its buyer. `hash`: its HMAC-SHA256 in hex under the secret `forgotten`, so that
 * nobody who knows a list of ids can look for it in a copy of this table alone. See src/queue/forgotten-ids.ts.
 */
export interface ForgottenIdRow {
  hash: string
  forgotten_at: number
}

/** A random secret of this database, in hex. */
export interface SecretRow {
  name: 'forgotten'
  value: string
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

/** When the LMS or the database was away. `open_kind` is the kind until it ends, then null. */
export interface IncidentRow {
  id: string
  kind: 'down' | 'throttled' | 'misconfigured' | 'database'
  open_kind: IncidentRow['kind'] | null
  cause: string
  started_at: number
  /** When a replica last reported it. */
  seen_at: number
  ended_at: number | null
}

export interface MigrationRow {
  id: number
  oldest_code: number
  applied_at: number
}

/** An event for the shop that was not delivered yet. `body` is the JSON that is sent, and holds no personal data. */
export interface OutboxRow {
  id: string
  /** The id of the delivery that it tells of, or the key of the course. */
  about: string
  type: string
  body: string
  created_at: number
  due_at: number
  attempts: number
  /** When the last attempt failed: it is sent no more unless an operator sends it again. */
  failed_at: number | null
  /** Why the latest attempt failed. */
  error: string | null
  /** Its place among the events about the same delivery or course: they are sent in this order. */
  seq: number
}

/** What all replicas know of the shop's endpoint for events. There is one row, 'shop'. */
export interface EndpointRow {
  name: string
  /** SHA-256 of LERNITO_EVENTS_URL in hex, since its path may hold a token. Another address starts anew. */
  url_digest: string
  /** `down`: one event at a time is sent, as a probe. `gone`: it answered 410, and nothing is sent. */
  state: 'up' | 'down' | 'gone'
  /** Failed attempts since the latest success, of any events. After three, it is down. */
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

/**
 * What the LMS told about its courses when it was last asked. There is one row, 'lms', so that a new catalogue takes the
 * place of the old one at once.
 */
export interface CatalogueRow {
  name: string
  /** Counts the changes of `courses`. */
  version: number
  /** When the LMS was last asked with success; null: never. */
  checked_at: number | null
  /** When it was last asked in vain, and why, if that was since. */
  failed_at: number | null
  failure: string | null
  /** JSON: see src/shop/courses/catalogue.ts. */
  courses: string
}

/** A cause that operators are notified of. The table is small: see MAX_CAUSES in src/operators/notify/notices.ts. */
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

/**
 * An operator's order to replay what a filter finds, or to sell it again with another course. `came_to_*` is the position
 * of the last row it looked at.
 */
export interface BulkReplayRow {
  id: string
  filter: string
  /** 1 if it includes deliveries that are enrolled or pre-enrolled. */
  enrolled: number
  /** JSON: the course key that was sold and the right one, if it is a bulk correction; else null. */
  corrects: string | null
  actor: string
  started_at: number
  ended_at: number | null
  state: 'running' | 'done' | 'stopped'
  replayed: number
  total: number
  came_to_at: number
  came_to_id: string
}

/**
 * A delivery that a bulk replay made due, or the one that a bulk correction made. It holds ids alone, and is deleted some
 * time after them.
 */
export interface ReplayedDeliveryRow {
  replay_id: string
  delivery_id: string
}

/** Webhooks from one network with one result. The table is small: see src/shop/senders/senders.ts. */
export interface SenderRow {
  /** See networkOf; '' stands for several networks. */
  address: string
  /** The code of a refusal; or for a valid signature `signed`, or `signed_previous` if it is one with the previous secret. */
  result: string
  first_at: number
  last_at: number
  count: number
  /** Those since the last time that an hour passed without any. */
  lately: number
}

/** How far the work `name` came, that is done in rounds: what was due until `came_to` (ms since 1970) is done. */
export interface RoundRow {
  name: string
  came_to: number
}

export interface Tables {
  deliveries: DeliveryRow
  delivery_lines: LineRow
  events: EventRow
  bulk_replays: BulkReplayRow
  replayed_deliveries: ReplayedDeliveryRow
  holds: HoldRow
  webhook_ids: WebhookIdRow
  forgotten_ids: ForgottenIdRow
  secrets: SecretRow
  rounds: RoundRow
  outbox: OutboxRow
  endpoints: EndpointRow
  catalogue: CatalogueRow
  notices: NoticeRow
  incidents: IncidentRow
  senders: SenderRow
  replicas: ReplicaRow
  console_sessions: ConsoleSessionRow
  migrations: MigrationRow
}

/** The database, or a transaction in it, for statements about these tables. */
export type Db = Kysely<Tables>
/** A transaction, for what must not run outside of one. */
export type Trx = Transaction<Tables>
