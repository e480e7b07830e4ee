/** What Lernito asks for, after the payload rules: trimmed, coerced, bounded. */
export interface EnrollmentRequest {
  readonly email: string
  readonly name: string
  readonly family: string
  readonly username: string
  readonly courseIds: readonly string[]
}

/** What of a payload could be read as a text; none of it is checked. */
export type About = Partial<EnrollmentRequest>

/** `handled`: an operator has taken care of it by other means; nothing is tried any more. */
export const DELIVERY_STATES = ['waiting', 'succeeded', 'rejected', 'needs_attention', 'handled'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

export const REASON_CODES = [
  'payload.invalid',
  'course_key.malformed',
  'course.missing',
  'person.retired',
  'person.unenrolled',
  'person.other_account',
  'lms.refused',
  'retries.exhausted',
  'row.unreadable',
] as const
export type ReasonCode = (typeof REASON_CODES)[number]

/**
 * Why a delivery did not succeed. `subject` is what it is about: the course key as it was sent, the field errors as
 * JSON (payload.invalid), what the LMS said (lms.refused, retries.exhausted), or what is wrong with our own row.
 */
export interface Reason {
  readonly code: ReasonCode
  readonly subject: string
}

export type CourseResult = 'enrolled' | 'allowed'

/** `courses` are the true course keys that are done; with a reason they are what was done before it. */
export interface Outcome {
  readonly courses: Readonly<Record<string, CourseResult>>
  readonly reason: Reason | null
}

/**
 * The state that each reason leaves a delivery in. A sender's mistake is rejected: sending it again can't help. What a
 * person at the LMS can mend (create the course, open it) needs attention: it is replayed afterwards.
 */
export const STATE_OF_REASON = {
  'payload.invalid': 'rejected',
  'course_key.malformed': 'rejected',
  'course.missing': 'needs_attention',
  'person.retired': 'needs_attention',
  'person.unenrolled': 'needs_attention',
  'person.other_account': 'needs_attention',
  'lms.refused': 'needs_attention',
  'retries.exhausted': 'needs_attention',
  'row.unreadable': 'needs_attention',
} as const satisfies Record<ReasonCode, DeliveryState>

/** One webhook with a good signature. Times are milliseconds since 1970. */
export interface Delivery {
  readonly id: string
  readonly digest: string
  readonly state: DeliveryState
  readonly owner: string | null
  readonly dueAt: number | null
  readonly attempts: number
  readonly receivedAt: number
  readonly settledAt: number | null
  /** When an operator last had it replayed: what the LMS said before that is not to be trusted. */
  readonly replayedAt: number | null
  /** Counts the webhooks and replays of this delivery: an attempt answers only those that came before it began. */
  readonly generation: number
  /** An earlier attempt may have taken effect in the LMS without our knowing: read the person's state before enrolling. */
  readonly effectUnknown: boolean
  readonly form: string
  readonly body: Uint8Array
  readonly request: EnrollmentRequest | null
  readonly outcome: Outcome | null
}

/** A verified webhook on its way in: with a request that is worked on, or with the reason why it never will be. */
export interface VerifiedWebhook {
  readonly digest: string
  readonly form: string
  readonly body: Uint8Array
  readonly request: EnrollmentRequest | null
  /** Without a request: what the payload says it is about, so that it can be found. */
  readonly about?: About
  readonly reason: Reason | null
}

/** What working on a delivery came to. `dueAt` is set while another try is to come, and then only. */
export interface Settlement {
  readonly id: string
  readonly state: DeliveryState
  readonly outcome: Outcome
  readonly dueAt: number | null
  readonly attempts: number
  /** The generation of the delivery when this attempt began. */
  readonly generation: number
  /** A call of this attempt may have taken effect without our knowing. */
  readonly effectUnknown: boolean
  /** For the timeline, in words: what the LMS said about this person. */
  readonly detail: string
}

/** `generation`: it answers the webhooks up to this one. */
export type Progress = Pick<Settlement, 'state' | 'outcome' | 'dueAt' | 'generation'>

export type EventKind =
  | 'received'
  | 'repeated'
  | 'succeeded'
  | 'rejected'
  | 'needs_attention'
  | 'retry_scheduled'
  | 'replayed'
  | 'handled'
  | 'repaired'
  | 'forgotten'
  | 'bulk_replay_started'
  | 'bulk_replay_stopped'

/** One thing that happened to a delivery: timeline row, log line, metric and, with an actor, audit log. */
export interface DeliveryEvent {
  readonly id: string
  /** '' for what an operator did to many at once, or to one that is no more. */
  readonly deliveryId: string
  readonly at: number
  readonly kind: EventKind
  readonly detail: string
  readonly actor: string | null
  /** From received to the first success, ms; left out of all else, and when it is read back. */
  readonly timeToEnrollmentMs?: number
}
