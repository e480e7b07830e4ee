import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Log } from '../telemetry/log.ts'

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
      log.warn({ ip: oldest.remoteAddress, most }, 'too many connections; those without a whole request are cut')
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
