import { z } from 'zod'
import rows from './reasons.json' with { type: 'json' }

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
