import { type IncomingMessage, METHODS } from 'node:http'
import type { Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import type { Log } from '../telemetry/log.ts'
import { limitConnections } from './connection-limit.ts'
import { createConnections } from './connections.ts'
import { answerErrors, refuseWith } from './errors.ts'
import { HEADER_BYTES, HEADERS_MS, MAX_HEADERS, type OnRefused, REQUEST_MS } from './refusals.ts'
import { screen } from './screening.ts'
import { believeOnlyAddresses, type TrustedProxies, trustOf } from './trusted-proxies.ts'

/** Longer than Caddy's 120 s: a proxy that reuses a connection just closed answers 502. */
const KEEP_ALIVE_MS = 150_000
/** Of a body that was answered before it had come in, so much is still read, for the sender to see the answer. */
const REST_BYTES = 8 * 1024 * 1024

/**
 * The HTTP server without its routes: limits of size and time, and what is answered when a request can't be served.
 * No body is read but by the parsers that a room registers for its own routes: Fastify's own would give any stranger's
 * text to JSON.parse (see signature/json.ts).
 * @param from.bodyLimit in bytes
 * @param from.trustedProxies whose X-Forwarded-For is believed
 * @param from.stopping aborted at the stop: from then on each answer closes its connection, which a proxy would keep
 *   open, so that the stop doesn't wait for it
 * @param from.mostConnections how many connections there may be; see connection-limit.ts
 */
export function createApp({
  log,
  bodyLimit,
  trustedProxies,
  stopping,
  onRefused,
  mostConnections,
}: {
  log: Log
  bodyLimit: number
  trustedProxies: TrustedProxies
  stopping: AbortSignal
  onRefused: OnRefused
  mostConnections?: number
}): FastifyInstance {
  const connections = createConnections({ log, onRefused })
  const app = fastify({
    bodyLimit,
    trustProxy: trustOf(trustedProxies),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    http: {
      headersTimeout: HEADERS_MS,
      connectionsCheckingInterval: 500, // without it, Node looks for slow requests only every 30 s
      maxHeaderSize: HEADER_BYTES,
      requireHostHeader: false, // Node would answer without a body; screen() looks
    },
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    return503OnClosing: false, // the hook below answers, as it does everywhere else
    clientErrorHandler: connections.onClientError,
    frameworkErrors: (_error, request, reply) => refuseWith({ code: 'bad_url', onRefused, request, reply }),
  })
  connections.watch(app.server)
  limitConnections({ server: app.server, log, most: mostConnections })
  app.server.maxHeadersCount = MAX_HEADERS + 1 // Node drops the others; one too many is enough to see it
  app.removeAllContentTypeParsers()
  const known = new Set(app.supportedMethods)
  for (const method of METHODS) if (!known.has(method) && method !== 'CONNECT') app.addHttpMethod(method)
  believeOnlyAddresses(app)
  const distrusted = new WeakSet<Socket>()
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw
    if (distrusted.has(socket)) return void reply.hijack() // where that request began is anybody's guess
    const code = stopping.aborted ? 'stopping' : screen(request.raw)
    if (code === null) return done()
    distrusted.add(socket)
    refuseWith({ code, onRefused, request, reply: reply.header('connection', 'close') })
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (stopping.aborted) reply.header('connection', 'close')
    if (!request.raw.complete) limitRest(request.raw)
    done()
  })
  answerErrors({ app, log, onRefused })
  return app
}

function limitRest(request: IncomingMessage): void {
  let left = REST_BYTES
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.socket.destroy()
  })
}
