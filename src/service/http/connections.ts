import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../telemetry/log.ts'
import { bodyOf, type OnRefused, type Refusal, refusalOf } from './refusals.ts'

/** The time for the sender to read the answer. Until then the server discards what the sender still sends. */
const LINGER_MS = 500

interface Connection {
  /** Undefined if the other side has already cut the connection. */
  readonly ip: string | undefined
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
 * Answers what never becomes a request for a route: what Node's parser refuses, what is too slow, and CONNECT. Earlier requests on the same connection get their answers first, so that no sender takes one answer
 * for another.
 */
export function createConnections({ log, onRefused }: { log: Log; onRefused: OnRefused }) {
  const connections = new WeakMap<Duplex, Connection>()
  const report: Reporting['report'] = (socket, { code, status }, detail) =>
    onRefused({ code, status, ip: connections.get(socket)?.ip, ...(detail === undefined ? {} : { detail }) })
  return {
    /** To be called once, before the server listens. */
    watch: (server: Server): void => {
      trackRequests(server, connections)
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

function trackRequests(server: Server, connections: WeakMap<Duplex, Connection>): void {
  server.on('connection', (socket) => {
    const ip = socket.remoteAddress
    connections.set(socket, { ip, unanswered: new Set(), last: null, isOver: false, whenAnswered: null })
  })
  server.on('request', (request, response) => {
    const connection = connections.get(request.socket)
    if (connection === undefined) return
    connection.last = { request, response }
    connection.unanswered.add(response)
    response.once('close', () => {
      connection.unanswered.delete(response)
      if (connection.unanswered.size === 0) connection.whenAnswered?.()
    })
  })
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

/** More than the 8,000 webhooks that fit into memory at once (see load-shedding.ts). */
const MOST_CONNECTIONS = 10_000
const LOG_EVERY_MS = 60_000

/**
 * Limits the number of connections. When there is one too many, the server cuts the connection that has waited longest
 * for a complete request: it is silent, kept alive after an answer, or slow. It never cuts the newest, so a client that
 * opens thousands of connections loses its own before a sale is lost. It sends no answer on the connection, because the
 * next request could take it for its own. It never cuts a connection whose request is complete.
 *
 * @param from.most the limit
 */
export function limitConnections({
  server,
  log,
  most = MOST_CONNECTIONS,
}: {
  server: Server
  log: Log
  most?: number | undefined
}): void {
  const waiting = new Set<Socket>() // the longest wait first
  let open = 0
  let loggedAt = Number.NEGATIVE_INFINITY

  const cutOldest = (): void => {
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

  server.on('connection', (socket) => {
    open++
    waiting.add(socket)
    socket.once('close', () => {
      open--
      waiting.delete(socket)
    })
    if (open > most) cutOldest()
  })
  server.on('request', (request, response) => {
    const { socket } = request
    if (hasBody(request)) request.once('end', () => waiting.delete(socket))
    else waiting.delete(socket)
    response.once('close', () => {
      waiting.delete(socket)
      if (!socket.destroyed) waiting.add(socket)
    })
  })
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
