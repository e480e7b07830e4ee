import { type Passage, startTcpProxy } from '../tcp-proxy.ts'

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
  let fault: Fault | null = null
  let latest = { up: 0, down: 0 }
  const accept = ({ client, upstream }: Passage) => {
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
    const pass = (direction: 'up' | 'down', chunk: Buffer): void => {
      if (isOver) return
      const to = direction === 'up' ? upstream : client
      const left = mine?.direction === direction ? mine.after - passed[direction] : Number.POSITIVE_INFINITY
      passed[direction] += chunk.length
      if (chunk.length <= left) return void to.write(chunk)
      if (mine?.how === 'garble') return void to.write(Buffer.alloc(chunk.length, 'garbled'))
      isOver = true
      const before = chunk.subarray(0, left)
      if (mine?.how === 'hold') return void mine.onHold?.()
      if (before.length === 0) cut()
      else to.write(before, cut)
    }
    return { up: (chunk: Buffer) => pass('up', chunk), down: (chunk: Buffer) => pass('down', chunk) }
  }
  const { port: own, open } = await startTcpProxy({ t, port, accept })
  return {
    port: own,
    set: (next: Fault | null): void => {
      fault = next
    },
    /** How many bytes the latest connection has passed so far. */
    passed: () => ({ ...latest }),
    /** How many sockets are open now. */
    open,
  }
}
