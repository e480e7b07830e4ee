import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { VerifiedWebhook } from '../delivery/types.ts'
import type { Inbox } from '../inbox/types.ts'
import { type Answer, accepted, answer } from './answers.ts'
import {
  mediaTypeRefusal,
  methodRefusal,
  misusedId,
  type Received,
  type RefusalCode,
  type Refused,
  receive,
} from './receive.ts'

export const BODY_LIMIT = 64 * 1024

/** The path that the original documents, and the one that it really uses. The final slash is optional. */
export const WEBHOOK_PATHS = ['/api/lernito/webhook/', '/lernito/webhook/']

const ALLOW = 'POST, OPTIONS'

/** The original's description of itself, word for word (recorded: lernito-webhook.json, "OPTIONS"). */
const DESCRIPTION = {
  name: 'Lernito Webhook',
  description: 'API View for handling Lernito webhooks.\nProcesses user enrollment requests from Lernito service.',
  renders: ['application/json'],
  parses: ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'],
}

/** What the routes for the shop's requests need. */
export interface OfShop {
  readonly app: FastifyInstance
  /** The current secret first. */
  readonly secrets: readonly string[]
  readonly now: () => number
  /** Called for each request that is refused without being stored. */
  readonly onRefused: (refused: { code: RefusalCode; status: number; ip: string }) => void
  /** Called for each request with a valid signature. `isPrevious`: the previous secret made it. */
  readonly onSigned: (signed: { ip: string; isPrevious: boolean }) => void
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
export function webhookRoutes(parts: Webhook): void {
  const { app, inbox, answerWithinMs, now, onRefused } = parts
  const refuse = (request: FastifyRequest, reply: FastifyReply, refused: Refused): FastifyReply => {
    onRefused({ code: refused.code, status: refused.status, ip: request.ip })
    return reply.code(refused.status).send(refused.body)
  }
  const others = app.supportedMethods.filter((method) => method !== 'POST' && method !== 'OPTIONS')

  /** null: the webhook-id is that of a refund. */
  const submit = async (webhook: VerifiedWebhook): Promise<{ id: string; reply: Answer } | null> => {
    const deadline = answerWithinMs === 0 ? null : now() + answerWithinMs
    const submitted = await inbox.submit(webhook, deadline)
    if (submitted.isRefundId) return null
    const { id, progress, courseCount = webhook.request?.courseIds.length ?? 0 } = submitted
    const waits = deadline !== null || progress !== null
    return { id, reply: waits ? answer(progress, courseCount) : accepted(courseCount) }
  }

  app.register(async (scope) => {
    scope.addHook('onResponse', async ({ raw: { complete, destroyed } }, { statusCode }) => {
      if (complete || !destroyed) parts.onAnswer(statusCode) // otherwise the sender disconnected while it sent the body
    })
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

    for (const url of WEBHOOK_PATHS) {
      scope.route({
        method: 'POST',
        url,
        onRequest: async (request, reply) => {
          const refused = mediaTypeRefusal(request.headers)
          if (refused !== null) return refuse(request, reply, refused)
        },
        handler: async (request, reply) => {
          const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
          const received = receive({ headers: request.headers, body, secrets: parts.secrets, now: now() })
          if (received.kind === 'refused') return refuse(request, reply, received)
          parts.onSigned({ ip: request.ip, isPrevious: received.secretIndex > 0 })
          const submitted = await submit(arrivalOf(received, body))
          if (submitted === null) {
            parts.onRefundId(received.webhookId ?? '')
            return refuse(request, reply, misusedId('refund_id'))
          }
          const { id, reply: given } = submitted
          return reply.code(given.status).header('x-lernito-delivery', id).send(given.body)
        },
      })
      scope.route({
        method: others,
        url,
        onRequest: async (request, reply) =>
          refuse(request, reply.header('allow', ALLOW), methodRefusal(request.method)),
        handler: async () => {},
      })
      scope.options(url, async (_request, reply) => reply.header('allow', ALLOW).send(DESCRIPTION))
    }
  })
}

function arrivalOf(received: Exclude<Received, Refused>, body: Uint8Array): VerifiedWebhook {
  const { digest, form, webhookId } = received
  const verified = { digest, form, body, ...(webhookId === undefined ? {} : { webhookId }) }
  if (received.kind === 'signed') return { ...verified, request: received.request, reason: null }
  const reason = { code: 'payload.invalid', subject: JSON.stringify(received.errors) } as const
  return { ...verified, request: null, about: received.about, reason }
}
