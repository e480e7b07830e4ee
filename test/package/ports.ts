import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the ports that systems give to those who ask for any: 32768 and more on Linux, 49152 and more elsewhere. */
const [FIRST, LAST] = [15_000, 29_999]

/** A port of loopback that nobody has now, and that no other program is given by chance before it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
