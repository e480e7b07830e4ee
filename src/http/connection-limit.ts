import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Log } from '../telemetry/log.ts'

/** More than whole webhooks fit into the memory, of which there may be 8,000 (see pressure.ts). */
const MOST_CONNECTIONS = 10_000
const TOLD_EVERY_MS = 60_000

/**
 * Bounds how many connections there are. Where there is one too many, the one that has waited longest for a whole
 * request is cut: it is silent, kept open after an answer, or slow. The newest is never cut, so that whoever opens
 * connections by the thousand cuts off the own ones before a sale. No answer is sent on it, since the next request could
 * take it for its own. One whose request has come in whole is never cut.
 *
 * @param from.most how many there may be
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
  const waiting = new Set<Socket>() // the one that has waited longest comes first
  let open = 0
  let toldAt = Number.NEGATIVE_INFINITY

  const cutOldest = (): void => {
    const [oldest] = waiting
    if (oldest === undefined) return
    waiting.delete(oldest)
    if (performance.now() - toldAt >= TOLD_EVERY_MS) {
      toldAt = performance.now()
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
