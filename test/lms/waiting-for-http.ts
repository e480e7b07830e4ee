import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { listening } from '../listening.ts'

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}'

/** The type of the first TLS record. */
const HANDSHAKE = '\x16'

/**
 * A plain HTTP server that reads to the end of a request's headers, as gunicorn does. A TLS handshake has no such end,
 * so the server never answers one, or cuts it at once. Gives host and port.
 */
export async function waitingForHttp(
  t: TestContext,
  handshakes: 'waits' | 'cuts a handshake' = 'waits',
): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    let read = ''
    socket.on('data', (bytes) => {
      read += bytes.toString('latin1')
      if (handshakes === 'cuts a handshake' && read.startsWith(HANDSHAKE)) socket.destroy()
      if (read.includes('\r\n\r\n')) socket.end(ANSWER)
    })
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return (await listening(t, server)).host
}
