import { connect, createServer, type Socket } from 'node:net'
import { listening } from './listening.ts'

/** One connection through a proxy: the socket to the client, and the one to the server. */
export interface Passage {
  readonly client: Socket
  readonly upstream: Socket
}

/** What a proxy does with the bytes of one connection: it passes them on, or not. */
interface Passing {
  readonly up: (chunk: Buffer) => void
  readonly down: (chunk: Buffer) => void
}

/**
 * A TCP proxy before a server on this machine, until the test ends. The end of one socket ends the other. `down` cuts all
 * connections and accepts no more until `up`. `leadTo` sends the next connections to another server.
 * @param of.accept called for each connection
 */
export async function startTcpProxy({
  t,
  port: first,
  accept,
}: {
  t: { readonly after: (done: () => void) => void }
  port: number
  accept: (passage: Passage) => Passing
}) {
  const sockets = new Set<Socket>()
  let isDown = false
  let port = first
  const join = (from: Socket, to: Socket, pass: (chunk: Buffer) => void): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('error', () => {}) // its close follows
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('data', pass)
  }
  const server = createServer((client) => {
    if (isDown) return client.destroy()
    const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
    const { up, down } = accept({ client, upstream })
    join(client, upstream, up)
    join(upstream, client, down)
  })
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(cutAll)
  const own = await listening(t, server)
  return {
    port: own.port,
    /** How many sockets are open now. */
    open: (): number => sockets.size,
    leadTo: (next: number): void => {
      port = next
    },
    down: (): void => {
      isDown = true
      cutAll()
    },
    up: (): void => {
      isDown = false
    },
  }
}
