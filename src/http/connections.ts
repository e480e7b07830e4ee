import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Log } from '../telemetry/log.ts'
import { bodyOf, type OnRefused, type Refusal, refusalOf } from './refusals.ts'

/** For the sender to read the answer: what it still sends is thrown away until then. */
const LINGER_MS = 500

interface Connection {
  /** Not known any more when the other side has cut the connection. */
  readonly ip: string | undefined
  readonly unanswered: Set<ServerResponse>
  last: { readonly request: IncomingMessage; readonly response: ServerResponse } | null
  isOver: boolean
  whenAnswered: (() => void) | null
}

/**
 * Answers what never becomes a request for a route: what Node's parser refuses, what is too slow, CONNECT, and an
 * unknown Expect. The answer to a request that came before on the same connection goes first, so that no sender takes
 * one for the other.
 */
export function createConnections({ log, onRefused }: { log: Log; onRefused: OnRefused }) {
  const connections = new WeakMap<Duplex, Connection>()

  const tell = ({ code, status }: Refusal, ip: string | undefined, detail?: string): void =>
    onRefused({ code, status, ip, ...(detail === undefined ? {} : { detail }) })

  const watch = (server: Server): void => {
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
    server.on('connect', (_request, socket) => {
      tell(refusalOf('connect'), connections.get(socket)?.ip)
      socket.on('error', () => {}) // Node has let go of the socket: what breaks it would end the process
      endWith(socket, refusalOf('connect'))
    })
    server.on('checkExpectation', (request, response) => {
      const refusal = refusalOf('expectation')
      tell(refusal, connections.get(request.socket)?.ip)
      const body = JSON.stringify(bodyOf(refusal))
      const head = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) }
      response.writeHead(refusal.status, { ...head, connection: 'close' }).end(body)
    })
  }

  /** For Node's event of that name: the parser has given up, the time is over, or the connection is broken. */
  const onClientError = ({ code }: { code: string }, socket: Duplex & { bytesRead: number }): void => {
    const connection = connections.get(socket)
    if (connection === undefined || connection.isOver) return
    if (code === 'HPE_CLOSED_CONNECTION') return // bytes behind the last request: its answer ends the connection
    connection.isOver = true
    const { ip, last, unanswered } = connection
    const refusal = judgeClientError(code, socket.bytesRead)
    if (refusal === null) {
      log.debug({ ip, detail: code }, 'connection ended without a whole request')
      socket.destroy()
      return
    }
    const inBody = last === null || last.request.complete ? null : last.response
    const wasAnswered = inBody?.headersSent === true // before the body was there, as a 415 is
    if (inBody !== null && !wasAnswered) unanswered.delete(inBody) // this refusal will be its answer
    if (!wasAnswered) tell(refusal, ip, code)
    const waits = unanswered.size > 0
    const isSilent = wasAnswered || (waits && refusal.code === 'too_slow') // which may still come in, meanwhile
    const end = (): void => {
      if (isSilent) socket.destroy()
      else endWith(socket, refusal)
    }
    if (waits) connection.whenAnswered = end
    else end()
  }

  return { watch, onClientError }
}

/** Null where nobody is to be answered: the connection is broken, or nothing was ever sent on it. */
function judgeClientError(code: string, bytesRead: number): Refusal | null {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return bytesRead === 0 ? null : refusalOf('too_slow')
  if (code === 'HPE_HEADER_OVERFLOW') return refusalOf('headers_too_large')
  return code.startsWith('HPE_') ? refusalOf('malformed') : null
}

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
    if (refusal.code === 'too_slow') socket.destroy() // the parser would take what still comes
  })
}
