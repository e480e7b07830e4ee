import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:net'

/** Has a server of whatever kind listen on a free port of loopback until the test ends. `host` is `127.0.0.1:PORT`. */
export async function listening(
  t: { readonly after: (done: () => void) => void },
  server: Server & { closeAllConnections?: () => void },
): Promise<{ host: string; port: number }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections?.()
    server.close()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { host: `127.0.0.1:${address.port}`, port: address.port }
}
