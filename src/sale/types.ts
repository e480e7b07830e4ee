import { z } from 'zod'
import events from './events.json' with { type: 'json' }
import type { CourseResult, Line, LmsAccount } from './line.ts'
import rows from './reasons.json' with { type: 'json' }

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

/**
 * - `queued`: stored; in an attempt, or due for another one.
 * - `enrolled`: the buyer is enrolled in every course.
 * - `pre_enrolled`: in at least one course, an allowance waits for the buyer's account. The follow-up makes it enrolled.
 * - `handled`: an operator has taken care of it by other means, and the service makes no further attempt.
 * - `withdrawn`: the buyer was taken out of every course again.
 */
export const DELIVERY_STATES = [
  'queued',
  'enrolled',
  'pre_enrolled',
  'needs_attention',
  'rejected',
  'handled',
  'withdrawn',
] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** Why a delivery did not succeed. */
export interface Reason {
  readonly code: ReasonCode
  /** What the reason is about: see ReasonRow. */
  readonly subject: string
  /** The course that it came up in, if that is known and the subject is another text. */
  readonly course?: string
}

const answerSchema = z.object({ status: z.literal([400, 500]), message: z.string() })

/** The answer to a sale that is stored and not done: it is not lost, so the shop's retry and ours both go on. */
export const NOT_YET: z.infer<typeof answerSchema> = { status: 500, message: 'Internal server error' }

/**
 * What an operator can do about one delivery. `replay` starts it again, and asks first where a person has ended it.
 */
export const STEPS = ['replyToBuyer', 'replyToShop', 'correct', 'replay', 'sendAgain', 'handled', 'withdraw'] as const
export type Step = (typeof STEPS)[number]

/** What a reason means and says, to everyone who meets it. `{subject}` in a text is the subject of the Reason. */
const rowSchema = z.strictObject({
  /**
   * The state that it leaves a delivery in. A sender's mistake is rejected: sending the same again can't help. What a
   * person can fix in the LMS needs attention: an operator replays the delivery afterwards. See decision 6.
   */
  state: z.enum(['rejected', 'needs_attention']),
  /**
   * What `subject` holds: the key of a course that exists or could, as it was sent; another text that was sent as a key;
   * field errors as JSON; the message of the LMS or the fault in our own row; the address of another account; or nothing.
   * Only the first is free of personal data for certain.
   */
  subject: z.enum(['course_key', 'malformed_key', 'field_errors', 'message', 'address', 'nothing']),
  /**
   * What the sender is answered. Field errors take the place of their message. These texts are the contract: the original
   * plugin's, where it has one (recorded: lernito-webhook.json).
   */
  answer: answerSchema.default(NOT_YET),
  /** What the shop's events say, where the answer doesn't fit. It never quotes a subject that may name a person. */
  event: z.string().optional(),
  /** In a few words, for lists. */
  name: z.string(),
  /** As a part of a sentence. Field errors, messages and the like follow it after a colon. */
  text: z.string(),
  /** The same of deliveries in several courses, where "the course" in the place of the key is no sentence. */
  many: z.string().optional(),
  /** Who has to act first, because a replay alone can't help. */
  waitsFor: z.enum(['buyer', 'shop']).nullable(),
  /** What the console offers first, and beside it. */
  steps: z.tuple([z.enum(STEPS), z.enum(STEPS)]),
  /** What an operator does about one delivery, and about many of them. */
  todo: z.string(),
  todoMany: z.string(),
  /** What an operator can tell the buyer, and the shop if it has to know. `repliesTo` fills the other placeholders. */
  toBuyer: z.string(),
  toShop: z.string().nullable(),
})

export type ReasonCode = keyof typeof rows
const isReasonCode = (text: string): text is ReasonCode => Object.hasOwn(rows, text)
/** In the order of the table. */
export const REASON_CODES: readonly ReasonCode[] = Object.keys(rows).filter(isReasonCode)

/** All reasons. A row of reasons.json that lacks something, or has something else, ends the program at its start. */
export const REASONS: Readonly<Record<ReasonCode, Readonly<z.infer<typeof rowSchema>>>> = z
  .record(z.enum(REASON_CODES), rowSchema)
  .parse(rows)

/** Returns the course key that a reason is about, as it was sent; null if it is about none, or if it isn't known. */
export function courseOfReason({ code, subject, course }: Reason): string | null {
  const kind = REASONS[code].subject
  return kind === 'course_key' || kind === 'malformed_key' ? subject : (course ?? null)
}

/** Returns a text of a reason with its subject. */
export const withSubject = (text: string, subject: string): string => text.replace('{subject}', () => subject)

/** `courses` are the true course keys that are done. With a reason, they are those that were done despite it. */
export interface Outcome {
  readonly courses: Readonly<Record<string, CourseResult>>
  readonly reason: Reason | null
}

/** The states in which every course of a delivery has an enrollment or an allowance. */
export const DONE_STATES = ['enrolled', 'pre_enrolled'] as const satisfies readonly DeliveryState[]
export const isDone = (state: DeliveryState): boolean => DONE_STATES.some((one) => one === state)

/**
 * How an operator has handled a sale. `settled`: the buyer got what was sold in another way, so the sale keeps its courses.
 * `paid_back`: the buyer got the money back, so it keeps none.
 */
export const HANDLED_AS = ['settled', 'paid_back'] as const
export type HandledAs = (typeof HANDLED_AS)[number]
export const isHandledAs = (text: unknown): text is HandledAs => HANDLED_AS.some((one) => one === text)

/** The states in which an operator stopped a delivery. A replica that is in a call for it then releases it. */
export const STOPPED_STATES = ['handled', 'withdrawn'] as const satisfies readonly DeliveryState[]
export const isStopped = (state: DeliveryState): state is (typeof STOPPED_STATES)[number] =>
  STOPPED_STATES.some((one) => one === state)

/** The state of a delivery with this outcome, which has no further attempt. */
export function stateOfOutcome({ courses, reason }: Outcome): DeliveryState {
  if (reason !== null) return REASONS[reason.code].state
  return Object.values(courses).includes('allowed') ? 'pre_enrolled' : 'enrolled'
}

/** Who made the delivery: the shop's webhook, an operator's correction of another delivery, or an operator's test sale. */
export type Source = 'shop' | 'correction' | 'test'

/** One webhook with a valid signature. Times are milliseconds since 1970. */
export interface Delivery {
  readonly id: string
  readonly digest: string
  readonly state: DeliveryState
  /** Its buyer, of whom one delivery at a time is attempted: the address without letter case. */
  readonly person: string
  readonly dueAt: number | null
  readonly attempts: number
  readonly receivedAt: number
  readonly settledAt: number | null
  /** When an attempt first enrolled or pre-enrolled the buyer in every course; null: none did, or all was withdrawn. */
  readonly doneAt: number | null
  /** When an operator last replayed it: answers of the LMS from before that are out of date. */
  readonly replayedAt: number | null
  /** See HANDLED_AS; null if no operator handled it. */
  readonly handledAs: HandledAs | null
  /** Counts the webhooks and replays of this delivery. An attempt answers only those that came before it began. */
  readonly generation: number
  /** An earlier attempt may have taken effect in the LMS without our knowing: the next one reads before it enrolls. */
  readonly effectUnknown: boolean
  /**
   * The next attempt reads first for another reason, and leaves alone whoever was unenrolled: only the shop sells anew, and not
   * a correction, a repair or what a withdrawal has left of a sale.
   */
  readonly readsFirst: boolean
  readonly form: string
  readonly body: Uint8Array
  readonly request: EnrollmentRequest | null
  readonly reason: Reason | null
  /** In the order in which the shop named the courses. */
  readonly lines: readonly Line[]
  readonly source: Source
  /** The delivery that this one corrects, and the one that corrects it. */
  readonly replaces: string | null
  readonly replacedBy: string | null
  /** The webhook-id that it first came with; null if the shop signs without one. */
  readonly webhookId: string | null
}

/** A verified webhook before it is stored: with a request to work on, or the reason why there will be no attempt. */
export interface VerifiedWebhook {
  readonly digest: string
  readonly form: string
  readonly body: Uint8Array
  readonly request: EnrollmentRequest | null
  /** Without a request: what could be read of the payload, so that operators can find the delivery. */
  readonly about?: About
  readonly reason: Reason | null
  /** Absent: the shop. */
  readonly source?: Source
  /** The shop's name for this webhook, if it signs by Standard Webhooks: the same id is the same delivery. */
  readonly webhookId?: string
}

/** At most this many calls of an attempt are stored, so that a sale of very many courses doesn't fill its timeline. */
const STORED_MAX = 20

const noteSchema = z.object({
  api: z.enum(['bulk_enroll', 'enrollments/modify', 'single']),
  people: z.number(),
  status: z.number().nullable(),
  ms: z.number(),
})

/**
 * A call to the LMS in an attempt. `single`: the calls for one person and one course, with their waits for the call
 * budget. `people`: how many people a batch enrolled. `status`: the HTTP status, or null if there was no answer, or several.
 */
export type CallNote = Readonly<z.infer<typeof noteSchema>>

/** Writes the calls of an attempt for its event; null if there was none. */
export const writeCalls = (calls: readonly CallNote[]): string | null =>
  calls.length === 0 ? null : JSON.stringify(calls.slice(0, STORED_MAX))

/** Reads what writeCalls wrote; empty if it can't be read. */
export function readCalls(text: string | null): readonly CallNote[] {
  if (text === null) return []
  try {
    return z.array(noteSchema).parse(JSON.parse(text))
  } catch {
    return []
  }
}

/** The result of an attempt. `dueAt` (ms since 1970) is set only if another attempt follows. */
export interface Settlement {
  readonly id: string
  readonly outcome: Outcome
  readonly dueAt: number | null
  readonly attempts: number
  /** The generation of the delivery when this attempt began. */
  readonly generation: number
  /** A call of this attempt may have taken effect without our knowing. */
  readonly effectUnknown: boolean
  /** Whether the next attempt reads first: see Delivery.readsFirst. Absent: it does not. */
  readonly readsFirst?: boolean
  /** The LMS may still carry out a call of this attempt that nobody waits for any more. */
  readonly mayLand?: boolean
  /** By true course key, the accounts that this attempt found enrolled or enrolled, as far as the LMS has told. */
  readonly accounts?: Readonly<Record<string, LmsAccount>>
  /** By true course key, whether a call gave the buyer what is there, or may have: see Line.gave. */
  readonly gave?: Readonly<Record<string, boolean>>
  /** By true course key, the course modes that the buyer had before this attempt raised them. */
  readonly modesBefore?: Readonly<Record<string, string>>
  /** A description for the timeline: the result, or the message of the LMS about this person. */
  readonly detail: string
  readonly calls?: readonly CallNote[]
}

/** The state of a delivery after an attempt with this result. */
export const stateAfter = ({ outcome, dueAt }: Pick<Settlement, 'outcome' | 'dueAt'>): DeliveryState =>
  dueAt === null ? stateOfOutcome(outcome) : 'queued'

/** What the waiting senders learn. It answers the webhooks up to `generation`. */
export interface Progress extends Pick<Settlement, 'dueAt' | 'generation'> {
  readonly state: DeliveryState
  readonly reason: Reason | null
  /** The buyer was taken out of this course of the sale, or is to be. Then the result is about the other courses. */
  readonly withdrawnCourse?: string
}

/** What can happen to a delivery, or be done to many. */
export type EventKind = keyof typeof events

/** What is said of an event, to everyone who meets it. */
interface EventRow {
  /** For operators. */
  readonly name: string
  /** After the word delivery in the log, if that isn't the kind with spaces. */
  readonly log?: string
  /** Whether somebody has to act, so that the log warns. `needs_attention` has a message of its own there. */
  readonly warns?: boolean
  /** For the documents, if the kind doesn't say all. */
  readonly meaning?: string
}
export const EVENTS: Readonly<Record<EventKind, EventRow>> = events

/** One thing that happened to a delivery: timeline row, log line, metric and, with an actor, audit log. */
export interface DeliveryEvent {
  readonly id: string
  /** Empty for what an operator did to many deliveries at once, or to one that no longer exists. */
  readonly deliveryId: string
  readonly at: number
  readonly kind: EventKind
  readonly detail: string
  readonly actor: string | null
  readonly calls?: readonly CallNote[]
  /** From receiving to the first success, in ms. Absent from all other events, and from those read back. */
  readonly timeToEnrollmentMs?: number
  /** Likewise of a `claimed` event: from receiving until the follow-up found the buyer enrolled, in ms. */
  readonly timeToClaimMs?: number
  /** Of a test sale. Absent from events read back, too. */
  readonly isTest?: true
}
