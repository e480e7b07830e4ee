import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { EventPlace, ShopAnswer } from '../../queue/shop-answers.ts'
import { isUnreachable } from '../../service/lib/errors.ts'
import {
  type Headers,
  headerOf,
  mediaTypeRefusal,
  methodRefusal,
  type RefusalCode,
  type Refused,
  type Verified,
  verifyRequest,
} from '../webhook/receive.ts'
import { CHALLENGE_HEADER, PROOF_HEADER, proofOf } from './identity.ts'

/** What the routes for the shop's requests need. */
export interface OfShop {
  readonly app: FastifyInstance
  /** The current secret first. */
  readonly secrets: readonly string[]
  readonly now: () => number
  /** This replica's name in the database. */
  readonly replica: () => string
  /** Called for each request that is refused without being stored. */
  readonly onRefused: (refused: { code: RefusalCode; status: number; ip: string }) => void
  /** Called for each request with a valid signature. `isPrevious`: the previous secret made it. */
  readonly onSigned: (signed: { ip: string; isPrevious: boolean }) => void
  /** Called when a request that was stored as events is answered, or its sender has hung up before that. */
  readonly onGiven: (given: ShopAnswer & { readonly events: readonly EventPlace[] }) => void
}

/** The answer to a request with a valid signature. */
export interface Answered {
  readonly status: number
  /** null: the answer has none. */
  readonly body: object | null
  readonly headers?: Readonly<Record<string, string | number>>
  /** The events that record the request. */
  readonly events?: readonly EventPlace[]
}

interface SignedRoutes extends OfShop {
  /** Every path of the route. */
  readonly urls: readonly string[]
  /** The answer to OPTIONS; absent: the method is not allowed. */
  readonly description?: object
  /** Called with the status of every answer, including refusals. */
  readonly onAnswer?: (status: number) => void
  /** The answer while the database is unavailable; absent: that to a request that can't be stored. */
  readonly unavailable?: string
  /** Answers a request with a valid signature. */
  readonly handle: (verified: Verified, headers: Headers) => Promise<Answered | Refused>
}

/**
 * Adds a route for signed requests of the shop. The media type is checked before the body is read, and the signature over
 * the body as received. What is wrong is refused in the same way on each of these routes.
 */
export function signedRoutes({ app, urls, description, unavailable, onAnswer, ...parts }: SignedRoutes): void {
  const { secrets, now, replica, onRefused, onSigned, onGiven, handle } = parts
  const methods = ['POST', ...(description === undefined ? [] : ['OPTIONS'])]
  const allow = methods.join(', ')
  const refuse = (request: FastifyRequest, reply: FastifyReply, refused: Refused): FastifyReply => {
    onRefused({ code: refused.code, status: refused.status, ip: request.ip })
    return reply.code(refused.status).send(refused.body)
  }
  /** Doctor asks by the refused GET which service answers at the public address. Its check is nobody's webhook. */
  const refuseMethod = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const proof = proofFor(request, { secrets, replica: replica() })
    const refused = methodRefusal(request.method)
    return proof === null
      ? refuse(request, reply, refused)
      : reply.header(PROOF_HEADER, proof).code(refused.status).send(refused.body)
  }

  app.register(async (scope) => {
    scope.addHook('onResponse', async ({ raw: { complete, destroyed } }, { statusCode }) => {
      if (complete || !destroyed) onAnswer?.(statusCode) // otherwise the sender disconnected while it sent the body
    })
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

    for (const url of urls) {
      scope.route({
        method: 'POST',
        url,
        onRequest: async (request, reply) => {
          const refused = mediaTypeRefusal(request.headers)
          if (refused !== null) return refuse(request, reply, refused)
        },
        handler: async (request, reply) => {
          const ended = endOf(reply.raw, now)
          const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
          const verified = verifyRequest({ headers: request.headers, body, secrets, now: now() })
          if ('code' in verified) return refuse(request, reply, verified)
          onSigned({ ip: request.ip, isPrevious: verified.secretIndex > 0 })
          const answered = await handle(verified, request.headers).catch(laterIfUnreachable(unavailable))
          if ('code' in answered) return refuse(request, reply, answered)
          const { events = [] } = answered
          if (events.length > 0) void ended.then((answer) => onGiven({ ...answer, from: request.ip, events }))
          return reply
            .code(answered.status)
            .headers({ ...answered.headers })
            .send(answered.body ?? undefined) // null would be sent as JSON
        },
      })
      scope.route({
        method: app.supportedMethods.filter((method) => !methods.includes(method)),
        url,
        onRequest: async (request, reply) => refuseMethod(request, reply.header('allow', allow)),
        handler: async () => {},
      })
      if (description !== undefined)
        scope.options(url, async (_, reply) => reply.header('allow', allow).send(description))
    }
  })
}

/** The answer to a request that is not carried out. `message` is a text, or what is wrong with each invalid field. */
export const refusal = ({ status, message }: { status: number; message: unknown }) => ({
  status,
  body: { success: false, message },
})

const UNAVAILABLE_SECONDS = 30

const laterIfUnreachable = (message: string | undefined) => (error: unknown) => {
  if (message === undefined || !isUnreachable(error)) throw error
  return laterAnswer(message, UNAVAILABLE_SECONDS)
}

/** The answer to a request that can't be answered now, and when to ask again. */
export const laterAnswer = (message: string, seconds: number): Answered => ({
  ...refusal({ status: 503, message }),
  headers: { 'retry-after': seconds },
})

/** The proof that this service has the webhook secret; null if the request does not ask for one, or doesn't know the secret. */
function proofFor(
  { headers }: FastifyRequest,
  { secrets, replica }: { secrets: readonly string[]; replica: string },
): string | null {
  const challenge = headerOf(headers, CHALLENGE_HEADER)
  const [secret = ''] = secrets
  return challenge === undefined ? null : proofOf({ challenge, secret, replica })
}

/** Resolves when the answer was sent, or the sender has hung up before it. Its time begins now. */
function endOf(response: ServerResponse, now: () => number): Promise<ShopAnswer> {
  const began = performance.now()
  return new Promise((resolve) =>
    response.once('close', () => {
      const status = response.writableFinished ? response.statusCode : null
      resolve({ at: now(), status, ms: Math.round(performance.now() - began) })
    }),
  )
}
