import { z } from 'zod'
import type { WithdrawalRow } from '../database/schema.ts'

/** How the message of an order begins that ended because its last attempt failed. */
export const EXHAUSTED = 'retries exhausted'

/** The message of an order that only waits until it can't be undone any more. */
export const LATE = 'the LMS may still carry out an earlier call for this buyer'

/**
 * The result for one course:
 * - `unenrolled`: there was an active enrollment, in `mode`.
 * - `disallowed`: there was only an allowance.
 * - `nothing`: there was neither; or, with `why`, the buyer has bought the course again.
 * - `kept`: nothing was changed; `why` gives the reason.
 */
export const WITHDRAWN_KINDS = ['unenrolled', 'disallowed', 'nothing', 'kept'] as const

const resultSchema = z.object({
  /** By course key, as in the order. */
  courses: z.record(
    z.string(),
    z.object({ kind: z.enum(WITHDRAWN_KINDS), mode: z.string().nullable(), why: z.string() }),
  ),
  /** Why the last attempt failed, why the order waits, or why it ended early; '' if it did nothing of this. */
  message: z.string(),
})
export type WithdrawalResult = Readonly<z.infer<typeof resultSchema>>
export type CourseWithdrawal = Readonly<WithdrawalResult['courses'][string]>

/** An order to take the buyer of a delivery out of courses again. Times are ms since 1970. */
export interface Withdrawal {
  readonly id: string
  readonly deliveryId: string
  readonly courses: readonly string[]
  /** Whether it includes paid course modes. */
  readonly paid: boolean
  readonly by: string
  /** Whether the shop ordered it, by a refund. */
  readonly isRefund: boolean
  readonly requestedAt: number
  /** The next attempt, if it has not ended. */
  readonly dueAt: number
  /** Failed attempts. */
  readonly attempts: number
  readonly endedAt: number | null
  readonly result: WithdrawalResult | null
}

/** Converts a stored order. Throws ZodError or SyntaxError for JSON that this program can't have written. */
export function withdrawalOf(row: WithdrawalRow): Withdrawal {
  return {
    id: row.id,
    deliveryId: row.delivery_id,
    courses: z.array(z.string()).parse(JSON.parse(row.courses)),
    paid: row.paid !== 0,
    by: row.actor,
    isRefund: row.refund_id !== null,
    requestedAt: row.requested_at,
    dueAt: row.due_at,
    attempts: row.attempts,
    endedAt: row.ended_at,
    result: row.result === null ? null : resultSchema.parse(JSON.parse(row.result)),
  }
}

/** Whether it has ended and left a course as it was. One that the sale has superseded needs no operator. */
export const hasFailed = ({ result }: Pick<Withdrawal, 'result'>): boolean =>
  result !== null &&
  (result.message.startsWith(EXHAUSTED) || Object.values(result.courses).some(({ kind }) => kind === 'kept'))

/** Describes the courses of a result, for timelines: what was done, and what was left alone and why. */
export function describeWithdrawal({ courses, message }: WithdrawalResult): string {
  const parts = Object.entries(courses).map(([course, { kind, mode, why }]) => {
    if (kind === 'kept' || why !== '') return `${course}: ${why}`
    return `${DESCRIPTIONS[kind]} ${course}${mode === null ? '' : ` (${mode})`}`
  })
  return [...parts, ...(message === '' ? [] : [message])].join('; ')
}

const DESCRIPTIONS = {
  unenrolled: 'unenrolled from',
  disallowed: 'allowance deleted for',
  nothing: 'nothing to withdraw in',
} as const
