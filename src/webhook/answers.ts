import { isStopped, type Outcome, type Progress, type Reason, type ReasonCode } from '../delivery/types.ts'

/** What the sender gets. `message` is a text, or the invalid fields with what is wrong with each. */
export interface Answer {
  readonly status: number
  readonly body: { readonly success: boolean; readonly message: unknown }
}

/** Nothing is lost by it: the delivery is stored and goes on in the background. */
const NOT_YET: Answer = { status: 500, body: { success: false, message: 'Internal server error' } }

/** The words of the original plugin where it has any (recorded: lernito-webhook.json). */
const REFUSALS = {
  'payload.invalid': (subject) => refuse(fieldErrors(subject)),
  'course_key.malformed': (subject) => refuse(`Invalid course key format: ${subject}`),
  'course.missing': (subject) => refuse(`Course ${subject} does not exist`),
  'person.retired': () => refuse('This email address belongs to a retired account and cannot be enrolled'),
  'person.unenrolled': (subject) => refuse(`This person was unenrolled from ${subject} since the sale`),
  'person.other_account': () => refuse('The LMS matches this email address to an account with another address'),
  'enrollment.missing': () => NOT_YET,
  'lms.refused': (subject) => refuse(`The LMS refused the enrollment: ${subject}`),
  'retries.exhausted': () => NOT_YET,
  'row.unreadable': () => NOT_YET,
} as const satisfies Record<ReasonCode, (subject: Reason['subject']) => Answer>

/**
 * The answer to a delivery that has come to `progress` (null: nobody is working on it for now). `courseCount` is the
 * number of course keys in the payload, each counted as often as it was sent. Pure; never stored.
 */
export function answer(progress: Progress | null, courseCount: number): Answer {
  if (progress === null || progress.state === 'queued' || isStopped(progress.state)) return NOT_YET
  const { reason } = progress.outcome
  if (reason !== null) return REFUSALS[reason.code](reason.subject)
  return { status: 200, body: { success: true, message: success(progress.outcome, courseCount) } }
}

/** LERNITO_ANSWER_WITHIN_MS=0: the sender doesn't wait for the enrollment. */
export const accepted = (courseCount: number): Answer => ({
  status: 202,
  body: { success: true, message: `Accepted for ${courseCount} course(s)` },
})

function success({ courses }: Outcome, courseCount: number): string {
  const enrolled = Object.values(courses).every((result) => result === 'enrolled')
  return `${enrolled ? 'User enrollment status' : 'Enrollment allowance'} verified for ${courseCount} course(s)`
}

const refuse = (message: unknown): Answer => ({ status: 400, body: { success: false, message } })

/** The subject of payload.invalid is JSON that this service wrote itself. */
const fieldErrors = (subject: string): unknown => JSON.parse(subject)
