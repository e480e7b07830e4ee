import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
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
  readonly onRefused: OnRefused
}

type Connections = WeakMap<Duplex, Connection>

/**
 * Answers what never becomes a request for a route: what Node's parser refuses, what is too slow, CONNECT, and an
 * unknown Expect. Earlier requests on the same connection get their answers first, so that no sender takes one answer
 * for another.
 */
export function createConnections(reporting: Reporting) {
  const connections: Connections = new WeakMap()
  return {
    /** To be called once, before the server listens. */
    watch: (server: Server): void => {
      trackRequests(server, connections)
      refuseConnect(server, { connections, ...reporting })
      refuseExpectations(server, { connections, ...reporting })
    },

    /** For Node's event clientError: the parser failed, the time is over, or the connection is broken. */
    onClientError: (error: { code: string }, socket: Duplex & { bytesRead: number }): void => {
      const connection = connections.get(socket)
      if (connection !== undefined && !connection.isOver) endConnection({ connection, error, socket, ...reporting })
    },
  }
}

function trackRequests(server: Server, connections: Connections): void {
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

function refuseConnect(server: Server, { connections, onRefused }: Reporting & { connections: Connections }): void {
  server.on('connect', (_request, socket) => {
    report({ onRefused, refusal: refusalOf('connect'), ip: connections.get(socket)?.ip })
    socket.on('error', () => {}) // Node no longer handles errors of the socket: one would end the process
    endWith(socket, refusalOf('connect'))
  })
}

function refuseExpectations(
  server: Server,
  { connections, onRefused }: Reporting & { connections: Connections },
): void {
  server.on('checkExpectation', (request, response) => {
    const refusal = refusalOf('expectation')
    report({ onRefused, refusal, ip: connections.get(request.socket)?.ip })
    const body = JSON.stringify(bodyOf(refusal))
    const head = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) }
    response.writeHead(refusal.status, { ...head, connection: 'close' }).end(body)
  })
}

function report(of: { onRefused: OnRefused; refusal: Refusal; ip: string | undefined; detail?: string }): void {
  const { onRefused, refusal, ip, detail } = of
  onRefused({ code: refusal.code, status: refusal.status, ip, ...(detail === undefined ? {} : { detail }) })
}

/** Ends a connection on which no further request can be read, with an answer if one is due. */
function endConnection(
  of: Reporting & { connection: Connection; error: { code: string }; socket: Duplex & { bytesRead: number } },
): void {
  const { log, onRefused, connection, error, socket } = of
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
  if (!wasAnswered) report({ onRefused, refusal, ip, detail: code })
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
