import type { EventPlace } from '../../sale/shop-answer.ts'
import type { Answer } from '../webhook/answers.ts'

/** `withdrawn`: the result of the withdrawals; null if they have not all ended. */
export type RefundResult =
  | {
      readonly kind: 'accepted'
      readonly deliveries: readonly string[]
      /** The events that record what it ordered. */
      readonly events: readonly EventPlace[]
      readonly isRepeat: boolean
      /** A repeat under the webhook-id of a refund with another payload. */
      readonly isOther: boolean
      readonly withdrawn: 'done' | 'kept' | 'failed' | null
    }
  | { readonly kind: 'never_sold'; readonly courses: readonly string[] }

/** The answer to a refund. `courseCount` is the number of course keys in the payload, including repeated ones. Pure. */
export function refundAnswer(result: RefundResult, courseCount: number): Answer {
  if (result.kind === 'never_sold') {
    const courses = result.courses.join(', ')
    return {
      status: 404,
      body: {
        success: false,
        message: `Nothing was withdrawn, because no sale of ${courses} to this address is known. Send the address and the course keys of the sale, or ask the operator`,
      },
    }
  }
  if (result.withdrawn === null) return done(202, `Withdrawal accepted for ${courseCount} course(s)`)
  return {
    done: done(200, `Withdrawal verified for ${courseCount} course(s)`),
    kept: refuse(400, 'The buyer could not be withdrawn from every course. Ask the operator about the delivery'),
    failed: refuse(500, 'Internal server error'),
  }[result.withdrawn]
}

const done = (status: number, message: string): Answer => ({ status, body: { success: true, message } })
const refuse = (status: number, message: string): Answer => ({ status, body: { success: false, message } })
