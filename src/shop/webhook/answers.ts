import { NOT_YET, REASONS, type Reason, withSubject } from '../../sale/reasons.ts'
import { isStopped, type Outcome, type Progress } from '../../sale/types.ts'

/** The answer to the sender. `message` is a text, or an object that lists what is wrong with each invalid field. */
export interface Answer {
  readonly status: number
  readonly body: { readonly success: boolean; readonly message: unknown }
}

/**
 * The answer to a delivery with this `progress`; null if no result is expected before the deadline. `courseCount` is the
 * number of course keys in the payload, including repeated ones. Pure; the answer is never stored.
 */
export function answer(progress: Progress | null, courseCount: number): Answer {
  if (progress === null || progress.state === 'queued' || isStopped(progress.state)) return failed(NOT_YET)
  const { reason } = progress.outcome
  if (reason !== null) return refusal(reason)
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

function refusal({ code, subject }: Reason): Answer {
  const row = REASONS[code]
  if (row.subject === 'field_errors') return failed({ ...row.answer, message: fieldErrors(subject) })
  return failed({ ...row.answer, message: withSubject(row.answer.message, subject) })
}

const failed = ({ status, message }: { status: number; message: unknown }): Answer => ({
  status,
  body: { success: false, message },
})

/** JSON that this service wrote. */
const fieldErrors = (subject: string): unknown => JSON.parse(subject)
