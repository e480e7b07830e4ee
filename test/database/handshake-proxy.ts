import { connect, createServer, type Socket } from 'node:net'
import { listening } from '../listening.ts'

/**
 * What happens to a connection after so many bytes from the client (`up`) or from the server (`down`): `end` closes it,
 * `reset` resets it, `garble` puts other bytes in the place of those that follow, `hold` passes nothing more and calls
 * `onHold`.
 */
export interface Fault {
  readonly direction: 'up' | 'down'
  readonly after: number
  readonly how: 'end' | 'reset' | 'garble' | 'hold'
  readonly onHold?: () => void
}

/** A TCP proxy before a database on this machine. A fault concerns the connections that are made while it is set. */
export async function startHandshakeProxy(t: { readonly after: (done: () => void) => void }, port: number) {
  const sockets = new Set<Socket>()
  let fault: Fault | null = null
  let latest = { up: 0, down: 0 }
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
    const mine = fault
    const passed = { up: 0, down: 0 }
    latest = passed
    let isOver = false
    const cut = (): void => {
      isOver = true
      if (mine?.how === 'reset') client.resetAndDestroy()
      else client.destroy()
      upstream.destroy()
    }
    const pass = (direction: 'up' | 'down', from: Socket, to: Socket): void => {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', (chunk) => {
        if (isOver) return
        const left = mine?.direction === direction ? mine.after - passed[direction] : Number.POSITIVE_INFINITY
        passed[direction] += chunk.length
        if (chunk.length <= left) return void to.write(chunk)
        if (mine?.how === 'garble') return void to.write(Buffer.alloc(chunk.length, 'garbled'))
        isOver = true
        const before = chunk.subarray(0, left)
        if (mine?.how === 'hold') return mine.onHold?.()
        if (before.length === 0) cut()
        else to.write(before, cut)
      })
    }
    pass('up', client, upstream)
    pass('down', upstream, client)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const own = await listening(t, server)
  return {
    port: own.port,
    set: (next: Fault | null): void => {
      fault = next
    },
    /** How many bytes the latest connection has passed so far. */
    passed: () => ({ ...latest }),
    /** How many sockets are open now. */
    open: (): number => sockets.size,
  }
}
