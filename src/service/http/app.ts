import { type IncomingMessage, METHODS, type Server } from 'node:http'
import { isIP, type Socket } from 'node:net'
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  fastify,
} from 'fastify'
import { type AppError, isUnreachable } from '../lib/errors.ts'
import { plainAddress } from '../lib/network.ts'
import { errorFields, type Log } from '../telemetry/log.ts'
import { createConnections } from './connections.ts'
import {
  bodyOf,
  HEADER_BYTES,
  HEADERS_MS,
  MAX_HEADERS,
  type OnRefused,
  REQUEST_MS,
  type RefusalCode,
  refusalOf,
} from './refusals.ts'

/** Longer than Caddy's 120 s: a proxy that reuses a connection that was just closed answers 502. */
const KEEP_ALIVE_MS = 150_000
/** How much of a body is still read after an early answer, so that the sender sees the answer. */
const REST_BYTES = 8 * 1024 * 1024
const RETRY_AFTER_SECONDS = 30
/**
 * Each proxy adds an address at the end of X-Forwarded-For, and the setting allows 99 proxies. Any sender can write a
 * thousand in front of them, and each takes some µs.
 */
const FORWARDED_MAX = 100
const UNAVAILABLE = 'The delivery could not be stored and is not accepted. Send it again later'

const HTTP = {
  headersTimeout: HEADERS_MS,
  connectionsCheckingInterval: 500, // by default, Node checks for slow requests only every 30 s
  maxHeaderSize: HEADER_BYTES,
  requireHostHeader: false, // Node would answer without a body; screen() checks it
}

const noSchemas = (): never => {
  throw new Error('A route has a schema of Fastify. Read the request with zod instead.')
}
/** No route has such a schema. Fastify would load 120 modules for its compilers of them at every start. */
const NO_COMPILERS = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } }

/**
 * The HTTP server without its routes: limits on size and time, and the answers to requests that can't be served. Only
 * the parsers that a part registers for its own routes read bodies: Fastify's own parser would give text from any sender
 * to JSON.parse (see src/sale/json/json.ts).
 * @param from.bodyLimit in bytes
 * @param from.trustedProxies the proxies whose X-Forwarded-For counts
 * @param from.leaving aborted when proxies should send nothing more: from then on each answer closes its connection. One
 *   that is kept open leads here even after a load balancer of connections, as a Kubernetes Service is, has left us out.
 * @param from.stopping aborted next: from then on each request is refused
 * @param from.maxConnections see createConnections
 */
export function createApp({
  log,
  bodyLimit,
  trustedProxies,
  leaving,
  stopping,
  onRefused,
  maxConnections,
}: {
  log: Log
  bodyLimit: number
  trustedProxies: TrustedProxies
  leaving: AbortSignal
  stopping: AbortSignal
  onRefused: OnRefused
  maxConnections?: number
}): FastifyInstance {
  const connections = createConnections({ log, onRefused, most: maxConnections })
  const refuse = refuserOf(onRefused)
  const app = fastify({
    bodyLimit,
    trustProxy: trustProxyOption(trustedProxies),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    http: HTTP,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    schemaController: NO_COMPILERS,
    return503OnClosing: false, // the hook below answers, in the usual form
    clientErrorHandler: connections.onClientError,
    frameworkErrors: (_error, request, reply) => refuse('bad_url', request, reply),
  })
  takeAddresses(app.server)
  connections.watch(app.server)
  app.server.maxHeadersCount = MAX_HEADERS + 1 // Node drops the rest; one too many is enough to notice
  app.removeAllContentTypeParsers()
  const known = new Set(app.supportedMethods)
  for (const method of METHODS) if (!known.has(method) && method !== 'CONNECT') app.addHttpMethod(method)
  const distrusted = new WeakSet<Socket>()
  app.addHook('onRequest', (request, reply, done) => {
    // Without an address in X-Forwarded-For, `request.ip` is then the proxy's: it goes into logs and counters.
    if (isIP(request.ip) === 0) delete request.raw.headers['x-forwarded-for']
    const { socket } = request.raw
    // Nobody can tell where that request begins, or take its answer.
    if (distrusted.has(socket) || socket.destroyed) return void reply.hijack()
    const code = stopping.aborted ? 'stopping' : screen(request.raw)
    if (code === null) return done()
    distrusted.add(socket)
    refuse(code, request, reply.header('connection', 'close'))
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (leaving.aborted) reply.header('connection', 'close')
    if (!request.raw.complete) limitUnreadBody(request.raw)
    done()
  })
  answerErrors({ app, log, onRefused })
  return app
}

/**
 * Takes the addresses of senders as they are written everywhere else: a socket for both kinds of addresses writes that of
 * an IPv4 sender as an IPv6 address, and so does a proxy with such a socket.
 */
function takeAddresses(server: Server): void {
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket
    if (remoteAddress === undefined) return // the other side is gone
    const value = plainAddress(remoteAddress)
    if (value !== remoteAddress) Object.defineProperty(socket, 'remoteAddress', { value })
  })
  server.prependListener('request', ({ headers }: IncomingMessage) => {
    const forwarded = headers['x-forwarded-for']
    if (typeof forwarded !== 'string') return
    headers['x-forwarded-for'] = forwarded
      .split(',')
      .slice(-FORWARDED_MAX)
      .map((one) => plainAddress(one.trim()))
      .join(', ')
  })
}

function limitUnreadBody(request: IncomingMessage): void {
  let left = REST_BYTES
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.socket.destroy()
  })
}

type Head = Pick<IncomingMessage, 'httpVersion' | 'rawHeaders' | 'headers' | 'url'>

/**
 * What is wrong with a request that Node's parser accepts, but that a proxy may read differently and take a part of for
 * another request; null if nothing is wrong (RFC 9112, 3.2, 6.1 and 11.2). A request line has no fragment: a proxy may
 * choose the route by the text after a `#`, and this server by that before it. Of two values where one is allowed, Node
 * keeps the first; of too many headers, it drops the rest. It reports neither.
 */
function screen({ httpVersion, rawHeaders, headers, url = '' }: Head): RefusalCode | null {
  if (rawHeaders.length > 2 * MAX_HEADERS) return 'headers_too_large'
  const modern = httpVersion === '1.1'
  if (!modern && httpVersion !== '1.0') return 'malformed'
  const hosts = count(rawHeaders, 'host')
  if (hosts > 1 || (modern && hosts === 0)) return 'host'
  if (url.includes('#')) return 'bad_url'
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') return 'expectation'
  const encoding = headers['transfer-encoding']
  if (encoding !== undefined && !(modern && encoding.toLowerCase() === 'chunked')) return 'transfer_encoding'
  return count(rawHeaders, 'content-type') > 1 ? 'content_type_twice' : null
}

const count = (rawHeaders: readonly string[], name: string): number =>
  rawHeaders.filter((text, index) => index % 2 === 0 && text.length === name.length && text.toLowerCase() === name)
    .length

/** The number of proxies in front of the service, or their addresses and networks; 0 means none. */
type TrustedProxies = number | readonly string[]

/**
 * The value for Fastify's trustProxy. Fastify 5 treats a number as "trust nobody", because it can't tell a proxy from a
 * client that connects directly. Here, the operator's setting says that no client connects directly.
 */
function trustProxyOption(proxies: TrustedProxies): NonNullable<FastifyServerOptions['trustProxy']> {
  if (typeof proxies !== 'number') return [...proxies]
  return proxies === 0 ? false : (_address, hop) => hop < proxies
}

/** Returns a function that sends a refusal, and reports it. */
const refuserOf =
  (onRefused: OnRefused) =>
  (code: RefusalCode, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const refusal = refusalOf(code)
    onRefused({ code, status: refusal.status, ip: request.ip })
    if (refusal.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
    return reply.code(refusal.status).send(bodyOf(refusal))
  }

/**
 * The one place that turns an error into an HTTP answer. Only an unavailable database has a message of its own: every other
 * error that is not the sender's is a bug, and its details only go to the log.
 */
function answerErrors({ app, log, onRefused }: { app: FastifyInstance; log: Log; onRefused: OnRefused }): void {
  const refuse = refuserOf(onRefused)
  app.setErrorHandler<FastifyError | AppError>((error, request, reply) => {
    if (isUnreachable(error)) {
      // Each repeat of the shop gets this line until the database is back, so it is short: no stack explains a full disk.
      const { stack: _stack, ...fields } = errorFields(error)
      log.error({ ...fields, path: request.routeOptions.url }, 'request could not be served')
      return reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send({ success: false, message: UNAVAILABLE })
    }
    const { destroyed, complete } = request.raw
    if (destroyed && !complete) return reply.send() // the sender is gone, and connections.ts has logged it
    const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
    if (status >= 400 && status < 500) {
      if (request.is404) return refuse('not_found', request, reply)
      if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
        // Fastify closes the connection. limitUnreadBody reads the rest first: otherwise the sender's system may discard the answer.
        return refuse('body_too_large', request, reply.removeHeader('connection'))
      }
      onRefused({ code: error.code, status, ip: request.ip })
      return reply.code(status).send({ success: false, message: error.message })
    }
    log.error({ ...errorFields(error), path: request.routeOptions.url }, 'unexpected error')
    return reply.code(500).send({ success: false, message: 'Internal server error' })
  })
  app.setNotFoundHandler((request, reply) => refuse('not_found', request, reply))
}
