import { isStopped, type Outcome, type Progress, type Reason, type ReasonCode } from '../delivery/types.ts'

/** The answer to the sender. `message` is a text, or an object that lists what is wrong with each invalid field. */
export interface Answer {
  readonly status: number
  readonly body: { readonly success: boolean; readonly message: unknown }
}

/** The sale is not lost: the delivery is stored, and the service continues to process it. */
const NOT_YET: Answer = { status: 500, body: { success: false, message: 'Internal server error' } }

/** The original plugin's texts, where it has one (recorded: lernito-webhook.json). */
const REFUSALS = {
  'payload.invalid': (subject) => refuse(fieldErrors(subject)),
  'course_key.malformed': (subject) => refuse(`Invalid course key format: ${subject}`),
  'course.missing': (subject) => refuse(`Course ${subject} does not exist`),
  'person.retired': () => refuse('This email address belongs to a retired account and cannot be enrolled'),
  'person.unenrolled': (subject) => refuse(`This person was unenrolled from ${subject} since the sale`),
  'person.other_account': () => refuse('The LMS matches this email address to an account with another address'),
  'enrollment.missing': () => NOT_YET,
  'course.mode_missing': (subject) => refuse(`Course ${subject} does not have the configured course mode`),
  'lms.refused': (subject) => refuse(`The LMS refused the enrollment: ${subject}`),
  'lms.blocked': () => NOT_YET,
  'retries.exhausted': () => NOT_YET,
  'row.unreadable': () => NOT_YET,
} as const satisfies Record<ReasonCode, (subject: Reason['subject']) => Answer>

/**
 * The answer to a delivery with this `progress`; null if no result is expected before the deadline. `courseCount` is the
 * number of course keys in the payload, including repeated ones. Pure; the answer is never stored.
 */
export function answer(progress: Progress | null, courseCount: number): Answer {
  if (progress === null || progress.state === 'queued' || isStopped(progress.state)) return NOT_YET
  const { reason } = progress.outcome
  if (reason !== null) return REFUSALS[reason.code](reason.subject)
  return { status: 200, body: { success: true, message: success(progress.outcome, courseCount) } }
}

/** The answer with LERNITO_ANSWER_WITHIN_MS=0, where the sender doesn't wait for the enrollment. */
export const accepted = (courseCount: number): Answer => ({
  status: 202,
  body: { success: true, message: `Accepted for ${courseCount} course(s)` },
})

function success({ courses }: Outcome, courseCount: number): string {
  const enrolled = Object.values(courses).every((result) => result === 'enrolled')
  return `${enrolled ? 'User enrollment status' : 'Enrollment allowance'} verified for ${courseCount} course(s)`
}

const refuse = (message: unknown): Answer => ({ status: 400, body: { success: false, message } })

/** The subject of payload.invalid is JSON that this service wrote. */
const fieldErrors = (subject: string): unknown => JSON.parse(subject)
