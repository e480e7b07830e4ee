import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../telemetry/log.ts'
import { bodyOf, type OnRefused, type Refusal, refusalOf } from './refusals.ts'

/** The time for the sender to read the answer. Until then the server discards what the sender still sends. */
const LINGER_MS = 500
/** More than the 8,000 webhooks that fit into memory at once (see load-shedding.ts). */
const MOST_CONNECTIONS = 10_000
const LOG_EVERY_MS = 60_000
/**
 * The requests on one connection that may wait for their answers. Node reads up to 64 KiB at once: more than 1,000 requests,
 * whose answers would all stay in memory until the client takes them. Proxies send one at a time.
 */
const PIPELINED_MAX = 4

interface Connection {
  /** Undefined if the other side has already cut the connection. */
  readonly ip: string | undefined
  /** In the order of their requests. */
  readonly unanswered: Set<ServerResponse>
  last: { readonly request: IncomingMessage; readonly response: ServerResponse } | null
  isOver: boolean
  whenAnswered: (() => void) | null
}

interface Reporting {
  readonly log: Log
  /** Reports a refusal of what came on this socket. `detail` is Node's error code. */
  readonly report: (socket: Duplex, refusal: Refusal, detail?: string) => void
}

/**
 * Answers what never becomes a request for a route: what Node's parser refuses, what is too slow, and CONNECT. Earlier
 * requests on the same connection get their answers first, so that no sender takes one answer for another.
 *
 * It also limits the number of connections. When there is one too many, it cuts the one that has waited longest for its
 * client: it is silent, kept alive after an answer, or slow to send a request or to take an answer. It never cuts the newest,
 * as Node would, so a client that opens thousands of connections loses its own before a sale is lost. It sends no answer
 * there, because the next request could take it for its own. It never cuts a connection whose request waits for its answer.
 * @param of.most the limit
 */
export function createConnections(of: { log: Log; onRefused: OnRefused; most?: number | undefined }) {
  const { log, onRefused, most = MOST_CONNECTIONS } = of
  const connections = new Map<Duplex, Connection>()
  const waiting: Waiting = new Set()
  const cutOldest = createCutting({ log, most, waiting })
  const report: Reporting['report'] = (socket, { code, status }, detail) =>
    onRefused({ code, status, ip: connections.get(socket)?.ip, ...(detail === undefined ? {} : { detail }) })

  const onConnection = (socket: Socket): void => {
    const ip = socket.remoteAddress
    connections.set(socket, { ip, unanswered: new Set(), last: null, isOver: false, whenAnswered: null })
    waiting.add(socket)
    socket.once('close', () => {
      connections.delete(socket)
      waiting.delete(socket)
    })
    if (connections.size > most) cutOldest()
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    const connection = connections.get(socket)
    if (connection === undefined) return
    connection.last = { request, response }
    connection.unanswered.add(response)
    if (connection.unanswered.size > PIPELINED_MAX) {
      log.debug({ ip: connection.ip }, 'connection cut, because it sent many requests without waiting for answers')
      socket.destroy()
    }
    endWait(waiting, socket, connection)
    request.once('end', () => endWait(waiting, socket, connection))
    response.once('prefinish', () => beginWait(waiting, socket, connection))
    response.once('close', () => {
      connection.unanswered.delete(response)
      if (connection.unanswered.size === 0) connection.whenAnswered?.()
      beginWait(waiting, socket, connection)
    })
  }
  return {
    /** To be called once, before the server listens. */
    watch: (server: Server): void => {
      server.on('connection', onConnection)
      server.prependListener('request', onRequest) // before the answer
      server.on('connect', (_request, socket) => {
        report(socket, refusalOf('connect'))
        socket.on('error', () => {}) // Node no longer handles errors of the socket: one would end the process
        endWith(socket, refusalOf('connect'))
      })
      server.on('checkExpectation', (request, response) => server.emit('request', request, response)) // see screen()
    },

    /** For Node's event clientError: the parser failed, the time is over, or the connection is broken. */
    onClientError: (error: { code: string }, socket: Duplex & { bytesRead: number }): void => {
      const connection = connections.get(socket)
      if (connection !== undefined && !connection.isOver) endConnection({ log, report, connection, error, socket })
    },
  }
}

/** The connections that wait for their clients, the longest wait first. */
type Waiting = Set<Socket>

function beginWait(waiting: Waiting, socket: Socket, connection: Connection): void {
  waiting.delete(socket)
  if (!socket.destroyed && !isServed(connection)) waiting.add(socket)
}

function endWait(waiting: Waiting, socket: Socket, connection: Connection): void {
  if (isServed(connection)) waiting.delete(socket)
}

/** Whether it waits for an answer. Otherwise it waits for its client: to send a whole request, or to take its answer. */
const isServed = ({ unanswered: [next] }: Connection): boolean =>
  next !== undefined && !next.writableEnded && (next.req.complete || !hasBody(next.req))

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0

/** Returns a function that cuts the connection that waits longest, with a log line a minute at most. */
function createCutting({ log, most, waiting }: { log: Log; most: number; waiting: Waiting }): () => void {
  let loggedAt = Number.NEGATIVE_INFINITY
  return () => {
    const [oldest] = waiting
    if (oldest === undefined) return
    waiting.delete(oldest)
    if (performance.now() - loggedAt >= LOG_EVERY_MS) {
      loggedAt = performance.now()
      log.warn(
        { ip: oldest.remoteAddress, most },
        'too many connections; those that have not sent a whole request are closed',
      )
    }
    oldest.destroy()
  }
}

/** Ends a connection on which no further request can be read, with an answer if one is due. */
function endConnection(
  of: Reporting & { connection: Connection; error: { code: string }; socket: Duplex & { bytesRead: number } },
): void {
  const { log, report, connection, error, socket } = of
  const { code } = error
  if (code === 'HPE_CLOSED_CONNECTION') return // bytes after the last request: its answer ends the connection
  connection.isOver = true
  const { ip, last, unanswered } = connection
  const refusal = judgeClientError(code, socket.bytesRead)
  if (refusal === null) {
    log.debug({ ip, detail: code }, 'connection ended without a whole request')
    socket.destroy()
    return
  }
  const inBody = last === null || last.request.complete ? null : last.response
  const wasAnswered = inBody?.headersSent === true // before the body was complete, as with a 415
  if (inBody !== null && !wasAnswered) unanswered.delete(inBody) // this refusal is its answer
  if (!wasAnswered) report(socket, refusal, code)
  const waits = unanswered.size > 0
  const isSilent = wasAnswered || (waits && refusal.code === 'too_slow') // the rest may still come in meanwhile
  const end = (): void => {
    if (isSilent) socket.destroy()
    else endWith(socket, refusal)
  }
  if (waits) connection.whenAnswered = end
  else end()
}

/** The refusal for a client error; null for no answer: the connection is broken, or nothing was ever sent on it. */
function judgeClientError(code: string, bytesRead: number): Refusal | null {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return bytesRead === 0 ? null : refusalOf('too_slow')
  if (code === 'HPE_HEADER_OVERFLOW') return refusalOf('headers_too_large')
  return code.startsWith('HPE_') ? refusalOf('malformed') : null
}

/** Sends a refusal and closes the connection. */
function endWith(socket: Duplex, refusal: Refusal): void {
  const body = JSON.stringify(bodyOf(refusal))
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    'Connection: close',
    ...(refusal.status === 405 ? ['Allow: POST, OPTIONS'] : []),
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  const cut = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(cut))
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => {
    if (refusal.code === 'too_slow') socket.destroy() // the parser would read what still comes
  })
}
