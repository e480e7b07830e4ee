/** The enrollments that Lernito requests, after the payload rules: trimmed, coerced, bounded. */
export interface EnrollmentRequest {
  readonly email: string
  readonly name: string
  readonly family: string
  readonly username: string
  readonly courseIds: readonly string[]
}

/** The fields of a payload that could be read as text, unchecked. */
export type About = Partial<EnrollmentRequest>

/** `handled`: an operator has taken care of it by other means, and the service makes no further attempt. */
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
 * Why a delivery did not succeed. `subject` is what the reason is about: the course key as it was sent, the field
 * errors as JSON (payload.invalid), the message of the LMS (lms.refused, retries.exhausted), or the fault in our own
 * row.
 */
export interface Reason {
  readonly code: ReasonCode
  readonly subject: string
}

export type CourseResult = 'enrolled' | 'allowed'

/** `courses` are the true course keys that are done. With a reason, they are those that were done despite it. */
export interface Outcome {
  readonly courses: Readonly<Record<string, CourseResult>>
  readonly reason: Reason | null
}

/**
 * The state that each reason leaves a delivery in. A sender's mistake is rejected: sending the same again can't help.
 * What a person can fix in the LMS, such as a course that doesn't exist or isn't open, needs attention: an operator
 * replays it afterwards.
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

/** One webhook with a valid signature. Times are milliseconds since 1970. */
export interface Delivery {
  readonly id: string
  readonly digest: string
  readonly state: DeliveryState
  readonly owner: string | null
  readonly dueAt: number | null
  readonly attempts: number
  readonly receivedAt: number
  readonly settledAt: number | null
  /** When an operator last replayed it: answers of the LMS from before that are out of date. */
  readonly replayedAt: number | null
  /** Counts the webhooks and replays of this delivery. An attempt answers only those that came before it began. */
  readonly generation: number
  /** An earlier attempt may have taken effect in the LMS without our knowing: the next one reads before it enrolls. */
  readonly effectUnknown: boolean
  readonly form: string
  readonly body: Uint8Array
  readonly request: EnrollmentRequest | null
  readonly outcome: Outcome | null
}

/**
 * A verified webhook before it is stored: with a request to work on, or with the reason why there will be no attempt.
 */
export interface VerifiedWebhook {
  readonly digest: string
  readonly form: string
  readonly body: Uint8Array
  readonly request: EnrollmentRequest | null
  /** Without a request: what could be read of the payload, so that operators can find the delivery. */
  readonly about?: About
  readonly reason: Reason | null
}

/** The result of an attempt. `dueAt` (ms since 1970) is set only if another attempt follows. */
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
  /** A description for the timeline: the result, or the message of the LMS about this person. */
  readonly detail: string
}

/** What the waiting senders learn. It answers the webhooks up to `generation`. */
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
  /** Empty for what an operator did to many deliveries at once, or to one that no longer exists. */
  readonly deliveryId: string
  readonly at: number
  readonly kind: EventKind
  readonly detail: string
  readonly actor: string | null
  /** From receiving to the first success, in ms. Absent from all other events, and from those read back. */
  readonly timeToEnrollmentMs?: number
}
