import type { Inbox } from '../../queue/inbox.ts'
import { isStopped, NOT_YET, type Progress, REASONS, type Reason, withSubject } from '../../sale/types.ts'
import { type Answered, type OfShop, refusal, signedRoutes } from '../signature/signed-routes.ts'
import { misusedId, type Refused, readSale, type Verified } from './receive.ts'

export const BODY_LIMIT = 64 * 1024

/** The path that the original documents, and the one that it really uses. The final slash is optional. */
export const WEBHOOK_PATHS = ['/api/lernito/webhook/', '/lernito/webhook/'] as const

/** The original's description of itself, word for word (recorded: lernito-webhook.json, "OPTIONS"). */
const DESCRIPTION = {
  name: 'Lernito Webhook',
  description: 'API View for handling Lernito webhooks.\nProcesses user enrollment requests from Lernito service.',
  renders: ['application/json'],
  parses: ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'],
}

interface Webhook extends OfShop {
  readonly inbox: Pick<Inbox, 'submit'>
  /** How long the sender waits for the enrollment, in ms; 0: it doesn't wait. */
  readonly answerWithinMs: number
  /** Called when a sale comes under the webhook-id of a refund. */
  readonly onRefundId: (webhookId: string) => void
  /** Called with the status of every answer, including refusals. */
  readonly onAnswer: (status: number) => void
}

/** Adds the routes of Lernito's webhook. A sale is answered when it is enrolled, or when that takes too long. */
export function webhookRoutes({ inbox, answerWithinMs, onRefundId, ...parts }: Webhook): void {
  const handle = async (verified: Verified): Promise<Answered | Refused> => {
    const webhook = readSale(verified)
    const deadline = answerWithinMs === 0 ? null : performance.now() + answerWithinMs
    const submitted = await inbox.submit(webhook, deadline)
    if (submitted.misusedId === 'refund_id') onRefundId(webhook.webhookId ?? '')
    if (submitted.misusedId !== undefined) return misusedId(submitted.misusedId)
    const { id, progress, eventId } = submitted
    const courseCount = webhook.request?.courseIds.length ?? 0
    const waits = deadline !== null || progress !== null
    return {
      ...(waits ? answer(progress, courseCount) : accepted(courseCount)),
      headers: id === '' ? {} : { 'x-lernito-delivery': id },
      events: eventId === undefined ? [] : [{ deliveryId: id, id: eventId }],
    }
  }
  signedRoutes({ ...parts, urls: WEBHOOK_PATHS, description: DESCRIPTION, handle })
}

/**
 * The answer to a delivery with this `progress`; null if no result is expected before the deadline. `courseCount` is the
 * number of course keys in the payload, including repeated ones. Pure; the answer is never stored.
 */
export function answer(progress: Progress | null, courseCount: number): Answered {
  if (progress?.withdrawnCourse !== undefined) {
    return refusal({ status: 400, message: `Course ${progress.withdrawnCourse} was withdrawn` })
  }
  if (progress === null || isStopped(progress.state)) return refusal(NOT_YET)
  const { state, reason } = progress
  if (reason !== null) return refusalFor(reason)
  if (state === 'queued') return refusal(NOT_YET)
  const done = state === 'enrolled' ? 'User enrollment status' : 'Enrollment allowance'
  return { status: 200, body: { success: true, message: `${done} verified for ${courseCount} course(s)` } }
}

/** The answer with LERNITO_ANSWER_WITHIN_MS=0, where the sender doesn't wait for the enrollment. */
const accepted = (courseCount: number): Answered => ({
  status: 202,
  body: { success: true, message: `Accepted for ${courseCount} course(s)` },
})

function refusalFor({ code, subject }: Reason): Answered {
  const row = REASONS[code]
  if (row.subject === 'field_errors') return refusal({ ...row.answer, message: JSON.parse(subject) })
  return refusal({ ...row.answer, message: withSubject(row.answer.message, subject) })
}
