import { type FastifyInstance, fastify } from 'fastify'
import type { Log } from '../telemetry/log.ts'
import { answerErrors } from './errors.ts'

/** Longer than Caddy's 120 s: a proxy that reuses a connection just closed answers 502. */
const KEEP_ALIVE_MS = 150_000
/** For the whole of a request to come in. */
const REQUEST_MS = 10_000

/**
 * The HTTP server without its routes: limits of size and time, and what is answered when a request can't be served.
 * @param from.bodyLimit in bytes
 * @param from.stopping aborted at the stop: from then on each answer closes its connection, which a proxy would keep
 *   open, so that the stop doesn't wait for it
 */
export function createApp({
  log,
  bodyLimit,
  stopping,
}: {
  log: Log
  bodyLimit: number
  stopping: AbortSignal
}): FastifyInstance {
  const app = fastify({
    bodyLimit,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    http: { connectionsCheckingInterval: 500 }, // without it, Node looks for slow requests only every 30 s
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
  })
  app.addHook('onSend', async (_request, reply) => {
    if (stopping.aborted) reply.header('connection', 'close')
  })
  answerErrors({ app, log })
  return app
}
