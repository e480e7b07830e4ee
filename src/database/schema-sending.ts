/** An event for the shop that was not delivered yet. `body` is the JSON that is sent, and holds no personal data. */
export interface OutboxRow {
  id: string
  delivery_id: string
  type: string
  body: string
  created_at: number
  due_at: number
  attempts: number
  /** The replica that is sending it. */
  owner: string | null
  /** When the last attempt failed: it is sent no more unless an operator sends it again. */
  failed_at: number | null
  /** Why the latest attempt failed. */
  error: string | null
  /** Its place among the events of its delivery: they are sent in this order. */
  seq: number
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

/** A cause that operators are notified of. The table is small: see MAX_CAUSES in src/operators/notify/notices.ts. */
export interface NoticeRow {
  /** SHA-256 in hex of what makes the cause: see noticeId. */
  id: string
  /** One row is no cause: `position`, see readPosition there. */
  kind: 'delivery' | 'withdrawal' | 'lms' | 'events' | 'position'
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
