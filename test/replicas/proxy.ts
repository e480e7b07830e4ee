import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { listening } from '../listening.ts'

/** The driver's query packet. For MySQL the number of attributes (0) and of their sets (1) precedes the statement. */
const COMMITS = ['\u0003commit', '\u0003\u0000\u0001commit'].map((text) => Buffer.from(text))

/**
 * A TCP proxy between the service and its database. `loseCommit` cuts the connection at the next commit: before the server
 * receives it, or after the commit and before its answer is delivered. `down` cuts all connections and accepts no more.
 */
export async function startProxy({ t, port }: { t: TestContext; port: number }) {
  const sockets = new Set<Socket>()
  let lose: 'before' | 'after' | null = null
  let lost = 0
  let isDown = false

  const server = createServer((client) => {
    if (isDown) return client.destroy()
    const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    let cutAtAnswer = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', () => {
        sockets.delete(socket)
        cut()
      })
    }
    client.on('data', (data) => {
      if (lose !== null && COMMITS.some((commit) => data.includes(commit))) {
        const when = lose
        lose = null
        lost++
        if (when === 'before') return cut()
        cutAtAnswer = true
      }
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (cutAtAnswer) return cut()
      client.write(data)
    })
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const own = await listening(t, server)
  return {
    port: own.port,
    loseCommit: (when: 'before' | 'after'): void => {
      lose = when
    },
    lost: (): number => lost,
    isUsed: (): boolean => sockets.size > 0,
    down: (): void => {
      isDown = true
      for (const socket of sockets) socket.destroy()
    },
    up: (): void => {
      isDown = false
    },
  }
}
