import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ShopView } from '../delivery/shop-view.ts'
import { readStatusRequest } from '../payload/status-request.ts'
import { mediaTypeRefusal, methodRefusal, type Refused, verifyRequest } from './receive.ts'
import type { OfShop } from './route.ts'

export const STATUS_PATH = '/api/lernito/status/'

const RETRY_AFTER_SECONDS = 30
const UNAVAILABLE = 'The status can not be read now. Ask again later'
/** The form of an id; a text of another form names no delivery. */
const ID = /^[0-9A-HJKMNP-TV-Z]{26}$/

/** Resolves to the deliveries with these ids, by id; to null while the database is unavailable. */
export type StatusOf = (ids: readonly string[]) => Promise<ReadonlyMap<string, ShopView> | null>

/**
 * Adds the route at which the shop asks for the results of its sales. A request is signed as a webhook is, and what is wrong
 * with it is answered as for a webhook.
 */
export function statusRoute({
  app,
  secrets,
  now,
  statusOf,
  onRefused,
  onSigned,
}: OfShop & { readonly statusOf: StatusOf }): void {
  const refuse = (request: FastifyRequest, reply: FastifyReply, refused: Refused): FastifyReply => {
    onRefused({ code: refused.code, status: refused.status, ip: request.ip })
    return reply.code(refused.status).send(refused.body)
  }

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.route({
      method: 'POST',
      url: STATUS_PATH,
      onRequest: async (request, reply) => {
        const refused = mediaTypeRefusal(request.headers)
        if (refused !== null) return refuse(request, reply, refused)
      },
      handler: async (request, reply) => {
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
        const verified = verifyRequest({ headers: request.headers, body, secrets, now: now() })
        if (verified.kind === 'refused') return refuse(request, reply, verified)
        onSigned({ ip: request.ip, isPrevious: verified.authenticated.secretIndex > 0 })
        const asked = readStatusRequest(verified.json)
        if ('errors' in asked) return reply.code(400).send({ success: false, message: asked.errors })
        const found = await statusOf([...new Set(asked.ids)].filter((id) => ID.test(id)))
        if (found === null) {
          return reply
            .code(503)
            .header('retry-after', RETRY_AFTER_SECONDS)
            .send({ success: false, message: UNAVAILABLE })
        }
        return answerOf(asked.ids, found)
      },
    })
    scope.route({
      method: app.supportedMethods.filter((method) => method !== 'POST'),
      url: STATUS_PATH,
      onRequest: async (request, reply) =>
        refuse(request, reply.header('allow', 'POST'), methodRefusal(request.method)),
      handler: async () => {},
    })
  })
}

/** In the order of the request, each id once. */
function answerOf(asked: readonly string[], found: ReadonlyMap<string, ShopView>) {
  const ids = [...new Set(asked)]
  return {
    success: true,
    deliveries: ids.flatMap((id) => found.get(id) ?? []),
    unknown: ids.filter((id) => !found.has(id)),
  }
}
