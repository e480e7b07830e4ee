import type { FastifyReply, FastifyRequest } from 'fastify'
import { isCourseKey } from '../course-key.ts'
import type { EnrollmentRequest } from '../delivery/types.ts'
import type { Answer } from './answers.ts'
import { mediaTypeRefusal, methodRefusal, misusedId, type Received, type Refused, receive } from './receive.ts'
import { type RefundResult, refundAnswer } from './refund-answers.ts'
import type { OfShop } from './route.ts'

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
export function refundRoute(parts: Refunds): void {
  const { app, onAnswer, onRefused } = parts
  const refuse = (request: FastifyRequest, reply: FastifyReply, refused: Refused): FastifyReply => {
    onRefused({ code: refused.code, status: refused.status, ip: request.ip })
    return reply.code(refused.status).send(refused.body)
  }

  app.register(async (scope) => {
    scope.addHook('onResponse', async ({ raw: { complete, destroyed } }, { statusCode }) => {
      if (complete || !destroyed) onAnswer(statusCode) // otherwise the sender disconnected while it sent the body
    })
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.route({
      method: 'POST',
      url: REFUND_PATH,
      onRequest: async (request, reply) => {
        const refused = mediaTypeRefusal(request.headers)
        if (refused !== null) return refuse(request, reply, refused)
      },
      handler: async (request, reply) => {
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
        const received = receive({ headers: request.headers, body, secrets: parts.secrets, now: parts.now() })
        if (received.kind === 'refused') return refuse(request, reply, received)
        parts.onSigned({ ip: request.ip, isPrevious: received.secretIndex > 0 })
        const answered = await answerTo(parts, received)
        if ('kind' in answered) return refuse(request, reply, answered)
        const { delivery, given } = answered
        if (delivery !== undefined) reply.header('x-lernito-delivery', delivery)
        return reply.code(given.status).send(given.body)
      },
    })
    scope.route({
      method: app.supportedMethods.filter((method) => method !== 'POST'),
      url: REFUND_PATH,
      onRequest: async (request, reply) =>
        refuse(request, reply.header('allow', 'POST'), methodRefusal(request.method)),
      handler: async () => {},
    })
  })
}

async function answerTo(
  { refundOf, answerWithinMs, now, onRefund }: Refunds,
  received: Exclude<Received, Refused>,
): Promise<Refused | { readonly delivery?: string | undefined; readonly given: Answer }> {
  if (received.kind === 'invalid') return { given: wrong(received.errors) }
  const { request, digest, webhookId } = received
  const courses = request.courseIds.length
  const malformed = request.courseIds.find((key) => !isCourseKey(key))
  if (malformed !== undefined) return { given: wrong(`Invalid course key format: ${malformed}`) }
  const refund = { request, digest, ...(webhookId === undefined ? {} : { webhookId }) }
  const result = await refundOf(refund, answerWithinMs === 0 ? null : now() + answerWithinMs)
  if (result.kind === 'sale_id') {
    onRefund({ result: result.kind, deliveries: [result.delivery], courses })
    return misusedId('sale_id')
  }
  const deliveries = 'deliveries' in result ? result.deliveries : []
  onRefund({ result: nameOf(result), deliveries, courses })
  return { delivery: deliveries.at(-1), given: refundAnswer(result, courses) }
}

function nameOf(result: RefundResult): string {
  if (result.kind !== 'accepted' || !result.isRepeat) return result.kind
  return result.isOther ? 'id_reused' : 'repeat'
}

const wrong = (message: unknown): Answer => ({ status: 400, body: { success: false, message } })
