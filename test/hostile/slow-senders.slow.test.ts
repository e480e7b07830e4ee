import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { temporaryFolder } from '../service/process.ts'
import { sell, startLms, startServe } from '../service/serving.ts'

const SLOW = 3100
const SALES = 30
/** The size of the largest body, which is never sent completely. */
const HEAD = [
  'POST /api/lernito/webhook/ HTTP/1.1',
  'Host: shop.example',
  'Content-Type: application/json',
  'Content-Length: 65536',
  'Expect: 100-continue', // so that the service tells when it has begun to read the body
].join('\r\n')

/** Few enough that none is refused because an iteration of the event loop is long. */
const AT_ONCE = 8

/** Begins `count` webhooks from the addresses in turn, and leaves them unfinished. Returns their sockets. */
async function openSlow({ url, count, addresses }: { url: string; count: number; addresses: readonly string[] }) {
  const { port } = new URL(url)
  const open = async (number: number): Promise<Socket> => {
    const localAddress = addresses[number % addresses.length] ?? '127.0.0.1'
    const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress })
    socket.on('error', () => {})
    socket.write(`${HEAD}\r\n\r\n{`)
    await once(socket, 'data')
    socket.resume()
    return socket
  }
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const more = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, (_, i) => open(sockets.length + i))
    sockets.push(...(await Promise.all(more)))
  }
  return sockets
}

describe('3,100 slow webhooks without a signature keep no sale out', () => {
  const cleanups: (() => unknown)[] = []
  const t = { after: (done: () => unknown) => void cleanups.push(done) }
  let lms: Awaited<ReturnType<typeof startLms>>
  before(async () => {
    lms = await startLms(t)
  })
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup()
  })

  for (const [name, addresses] of [
    ['from one address, which is the shop’s', ['127.0.0.1']],
    ['from 100 addresses', Array.from({ length: 100 }, (_, i) => `127.0.1.${i + 1}`)],
  ] as const) {
    test(name, async (t) => {
      const serving = await startServe({
        t,
        folder: temporaryFolder(t),
        lmsUrl: lms.url,
        env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' },
      })
      const sockets = await openSlow({ url: serving.url, count: SLOW, addresses })
      t.after(() => {
        for (const socket of sockets) socket.destroy()
      })
      const statuses = await Promise.all(
        Array.from({ length: SALES }, async (_, i) => {
          const answered = await sell({ url: serving.url, email: `${addresses.length}-${i}@example.com` })
          return answered?.status
        }),
      )
      assert.deepEqual(statuses, Array(SALES).fill(200))
    })
  }
})
