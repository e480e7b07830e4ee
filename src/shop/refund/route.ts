import type { EventPlace } from '../../queue/shop-answers.ts'
import { isCourseKey } from '../../sale/course-key.ts'
import type { EnrollmentRequest } from '../../sale/types.ts'
import { type Answered, type OfShop, signedRoutes } from '../signature/signed-routes.ts'
import { misusedId, type Refused, readSale, type Verified } from '../webhook/receive.ts'
import type { Answer } from '../webhook/route.ts'

export const REFUND_PATH = '/api/lernito/refund/'

/** Stores a refund and waits for its result until the deadline, ms since 1970; null: it doesn't wait. */
export type RefundOf = (
  refund: { readonly request: EnrollmentRequest; readonly digest: string; readonly webhookId?: string },
  deadline: number | null,
) => Promise<RefundResult | { readonly kind: 'sale_id'; readonly delivery: string }>

interface Refunds extends OfShop {
  readonly refundOf: RefundOf
  /** How long the sender waits for the withdrawals, in ms; 0: it doesn't wait. */
  readonly answerWithinMs: number
  /** Called with the status of every answer, including refusals. */
  readonly onAnswer: (status: number) => void
  /** Called with each refund that the payload rules accept, and with its result. */
  readonly onRefund: (refund: { result: string; deliveries: readonly string[]; courses: number }) => void
}

/**
 * Adds the route at which the shop takes a buyer out of courses again. A request is signed as a webhook is and has the
 * same payload, and what is wrong with it is answered as for a webhook.
 */
export function refundRoute({ refundOf, answerWithinMs, onRefund, ...parts }: Refunds): void {
  const handle = async (verified: Verified): Promise<Answered | Refused> => {
    const received = readSale(verified)
    if (received.kind === 'invalid') return wrong(received.errors)
    const { request, digest, webhookId } = received
    const courses = request.courseIds.length
    const malformed = request.courseIds.find((key) => !isCourseKey(key))
    if (malformed !== undefined) return wrong(`Invalid course key format: ${malformed}`)
    const refund = { request, digest, ...(webhookId === undefined ? {} : { webhookId }) }
    const result = await refundOf(refund, answerWithinMs === 0 ? null : parts.now() + answerWithinMs)
    if (result.kind === 'sale_id') {
      onRefund({ result: result.kind, deliveries: [result.delivery], courses })
      return misusedId('sale_id')
    }
    const deliveries = 'deliveries' in result ? result.deliveries : []
    onRefund({ result: nameOf(result), deliveries, courses })
    const newest = deliveries.at(-1)
    const headers = newest === undefined ? {} : { 'x-lernito-delivery': newest }
    const events = 'events' in result ? result.events : []
    return { ...refundAnswer(result, courses), headers, events }
  }
  signedRoutes({ ...parts, urls: [REFUND_PATH], handle })
}

function nameOf(result: RefundResult): string {
  if (result.kind !== 'accepted' || !result.isRepeat) return result.kind
  return result.isOther ? 'id_reused' : 'repeat'
}

const wrong = (message: unknown): Answer => ({ status: 400, body: { success: false, message } })

/** `withdrawn`: the result of the withdrawals; null if they have not all ended. */
type RefundResult =
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
function refundAnswer(result: RefundResult, courseCount: number): Answer {
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
