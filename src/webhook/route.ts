import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { VerifiedWebhook } from '../delivery/types.ts'
import type { Inbox } from '../inbox/types.ts'
import { type Answer, accepted, answer } from './answers.ts'
import { mediaTypeRefusal, methodRefusal, type Received, type RefusalCode, type Refused, receive } from './receive.ts'

export const BODY_LIMIT = 64 * 1024

/** The path that the original documents, and the one where it really mounts. A slash at the end may be left out. */
export const WEBHOOK_PATHS = ['/api/lernito/webhook/', '/lernito/webhook/']

const ALLOW = 'POST, OPTIONS'

/** How the original describes itself (recorded: lernito-webhook.json, "OPTIONS"), to the word. */
const DESCRIPTION = {
  name: 'Lernito Webhook',
  description: 'API View for handling Lernito webhooks.\nProcesses user enrollment requests from Lernito service.',
  renders: ['application/json'],
  parses: ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'],
}

interface Webhook {
  readonly app: FastifyInstance
  readonly inbox: Pick<Inbox, 'submit'>
  /** The current one first. */
  readonly secrets: readonly string[]
  /** How long the sender waits for its enrollment, ms; 0: not at all. */
  readonly answerWithinMs: number
  readonly now: () => number
  /** Told of what is refused without being stored. */
  readonly onRefused: (refused: { code: RefusalCode; status: number; ip: string }) => void
  /** Told the status of every answer, of those too. */
  readonly onAnswer: (status: number) => void
  /** Told of each webhook that was not signed with the current secret, but with one before it. */
  readonly onPreviousSecret: () => void
}

/** Lernito's webhook: verified, stored, and answered when the enrollment is done or can't be done in time. */
export function webhookRoutes({
  app,
  inbox,
  secrets,
  answerWithinMs,
  now,
  onRefused,
  onAnswer,
  onPreviousSecret,
}: Webhook): void {
  const refuse = (request: FastifyRequest, reply: FastifyReply, refused: Refused): FastifyReply => {
    onRefused({ code: refused.code, status: refused.status, ip: request.ip })
    return reply.code(refused.status).send(refused.body)
  }
  const others = app.supportedMethods.filter((method) => method !== 'POST' && method !== 'OPTIONS')

  const submit = async (webhook: VerifiedWebhook): Promise<{ id: string; reply: Answer }> => {
    const courseCount = webhook.request?.courseIds.length ?? 0
    const deadline = answerWithinMs === 0 ? null : now() + answerWithinMs
    const { id, progress } = await inbox.submit(webhook, deadline)
    const waits = deadline !== null || progress !== null
    return { id, reply: waits ? answer(progress, courseCount) : accepted(courseCount) }
  }

  app.register(async (scope) => {
    scope.addHook('onResponse', async ({ raw: { complete, destroyed } }, { statusCode }) => {
      if (complete || !destroyed) onAnswer(statusCode) // else the sender is gone, in the middle of the body
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
          const received = receive({ headers: request.headers, body, secrets })
          if (received.kind === 'refused') return refuse(request, reply, received)
          if (received.secretIndex > 0) onPreviousSecret()
          const { id, reply: said } = await submit(arrivalOf(received, body))
          return reply.code(said.status).header('x-lernito-delivery', id).send(said.body)
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
  const { digest, form } = received
  if (received.kind === 'signed') return { digest, form, body, request: received.request, reason: null }
  const reason = { code: 'payload.invalid', subject: JSON.stringify(received.errors) } as const
  return { digest, form, body, request: null, about: received.about, reason }
}
