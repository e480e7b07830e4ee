import assert from 'node:assert/strict'
import { on, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createApp } from '../../../src/service/http/app.ts'
import { type Loop, type Shortage, shedLoad } from '../../../src/service/http/load-shedding.ts'
import { watchedLog } from '../../log-watch.ts'
import { until } from '../process.ts'

const KIB = 1024
const BODY_LIMIT = 64 * KIB
const TOO_BUSY =
  '{"success":false,"message":"The service is too busy, and the delivery is not accepted. Send it again later"}'

/** A server with three webhooks: one answers at once, one only after `release`, one takes 15 ms per request. */
async function startServer(
  t: TestContext,
  { loop, memoryBytes = 2 ** 30 }: { loop?: Loop; memoryBytes?: number } = {},
) {
  const { log } = watchedLog({ level: 'silent', env: {} })
  const app = createApp({
    log,
    bodyLimit: BODY_LIMIT,
    trustedProxies: 0,
    leaving: new AbortController().signal,
    stopping: new AbortController().signal,
    onRefused: () => {},
  })
  const began: Shortage[] = []
  const ended: number[] = []
  const paths = ['/hook/', '/held/', '/slow/']
  const callbacks = {
    onBegin: (shortage: Shortage) => began.push(shortage),
    onEnd: (refused: number) => ended.push(refused),
  }
  const options = { memoryBytes, ...(loop === undefined ? {} : { loop }) }
  shedLoad({ app, paths, ...callbacks, ...options })
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  const read: number[] = []
  const take = async ({ body }: { body: unknown }): Promise<string> => {
    read.push(body instanceof Uint8Array ? body.length : 0)
    return 'taken'
  }
  app.post('/hook/', take)
  app.get('/hook/', async () => 'not a webhook')
  app.post('/other', take)
  const held = Promise.withResolvers<void>()
  app.post('/held/', async (request) => {
    const answer = await take(request)
    await held.promise
    return answer
  })
  app.post('/slow/', async (request) => {
    for (const end = performance.now() + 15; performance.now() < end; );
    return take(request)
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  return { app, port: Number(new URL(url).port), began, ended, read, release: held.resolve }
}

const head = (length: number, start = 'POST /hook/'): string =>
  `${start} HTTP/1.1\r\nhost: x\r\ncontent-type: x/y\r\ncontent-length: ${length}\r\n\r\n`

async function open(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** A webhook whose headers have been read, but whose body of `length` bytes has not come. */
async function openAndWait(port: number, length: number, start?: string): Promise<Socket> {
  const socket = await open(port, head(length, start).replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n'))
  await once(socket, 'data')
  return socket
}

/** The next answer on the connection, to its announced length. */
async function answerOn(socket: Socket): Promise<string> {
  let text = ''
  for await (const [chunk] of on(socket, 'data', { close: ['close'] })) {
    text += chunk
    const length = /content-length: (\d+)/i.exec(text)?.[1]
    const end = text.indexOf('\r\n\r\n')
    if (length !== undefined && end !== -1 && text.length >= end + 4 + Number(length)) break
  }
  return text
}

async function ask(port: number, text: string): Promise<string> {
  const socket = await open(port, text)
  const answer = await answerOn(socket)
  socket.destroy()
  return answer
}

const large = head(64 * KIB) + 'x'.repeat(64 * KIB)

/** The event loop stays in one iteration that has spent `ms` on large bodies. */
async function longIteration(t: TestContext, ms: number) {
  let now = 0
  const server = await startServer(t, { loop: { iteration: () => 7, now: () => now } })
  // Eight checks are free, two for each body: before and after it is read.
  for (let i = 0; i < 4; i++) assert.match(await ask(server.port, large), /^HTTP\/1\.1 200 /)
  server.read.length = 0
  now = ms
  return { ...server, spend: (more: number) => (now += more) }
}

function assertBusy(answer: string): void {
  assert.match(answer, /^HTTP\/1\.1 503 /)
  assert.match(answer, /\r\nretry-after: 10\r\n/)
  assert.ok(answer.endsWith(TOO_BUSY), answer)
}

test('in a long iteration of the event loop, a large body is refused before any of it has come', async (t) => {
  const { port, read } = await longIteration(t, 21)
  assertBusy(await ask(port, head(8 * KIB + 1)))
  assertBusy(await ask(port, 'POST /hook/?a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'))
  assert.deepEqual(read, [])
})

test('an ordinary body is accepted in a long iteration, and a large one in a short iteration', async (t) => {
  const long = await longIteration(t, 10_000)
  assert.match(await ask(long.port, head(8 * KIB) + 'x'.repeat(8 * KIB)), /^HTTP\/1\.1 200 /)
  const short = await longIteration(t, 20)
  assert.match(await ask(short.port, large), /^HTTP\/1\.1 200 /)
})

test('an admitted large body is refused if the iteration becomes long meanwhile', async (t) => {
  const { port, read, spend } = await longIteration(t, 20)
  const socket = await open(port, head(10 * KIB) + 'x'.repeat(KIB))
  assert.match(await ask(port, `${head(1)}x`), /^HTTP\/1\.1 200 /) // by now the first one's headers have been read
  spend(1)
  socket.write('x'.repeat(9 * KIB))
  assertBusy(await answerOn(socket))
  socket.destroy()
  assert.deepEqual(read, [1])
})

test('every iteration accepts four large bodies, however long it becomes after the first', async (t) => {
  let now = 0
  const { port } = await startServer(t, { loop: { iteration: () => 7, now: () => now } })
  for (let i = 0; i < 4; i++) {
    assert.match(await ask(port, large), /^HTTP\/1\.1 200 /)
    now = 10_000
  }
  assertBusy(await ask(port, large))
})

test('the next iteration has its own time', async (t) => {
  let [iteration, now] = [1, 0]
  const { port, began } = await startServer(t, { loop: { iteration: () => iteration, now: () => now } })
  for (let i = 0; i < 20; i++) {
    assert.match(await ask(port, large), /^HTTP\/1\.1 200 /)
    iteration++
    now += 1000
  }
  assert.deepEqual(began, [])
})

test('a connection is usable after a 503: the body that still comes is discarded', async (t) => {
  const { port } = await longIteration(t, 21)
  const socket = await open(port, head(64 * KIB))
  assertBusy(await answerOn(socket))
  socket.write(`${'x'.repeat(64 * KIB)}${head(2)}ok`)
  assert.match(await answerOn(socket), /^HTTP\/1\.1 200 /)
  socket.destroy()
})

test('if each body takes long, only some of several simultaneous ones are read', async (t) => {
  const { port, began, read } = await startServer(t)
  const sockets = await Promise.all(Array.from({ length: 20 }, () => open(port, '')))
  assert.match(await ask(port, `${head(2)}ok`), /^HTTP\/1\.1 200 /) // by now all connections are accepted
  for (const socket of sockets) socket.write(large.replace('/hook/', '/slow/'))
  const answers = await Promise.all(sockets.map(answerOn))
  const refused = answers.filter((answer) => answer.startsWith('HTTP/1.1 503'))
  assert.ok(refused.length > 0)
  for (const answer of refused) assertBusy(answer)
  assert.equal(read.length, 1 + 20 - refused.length)
  assert.deepEqual(began, ['time'])
  for (const socket of sockets) socket.destroy()
  assert.match(await ask(port, large), /^HTTP\/1\.1 200 /)
})

test('other paths and methods are never refused', async (t) => {
  const { port, began } = await startServer(t, { memoryBytes: 0 })
  assert.match(await ask(port, large.replace('/hook/', '/other')), /^HTTP\/1\.1 200 /)
  assert.match(await ask(port, 'GET /hook/ HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1\.1 200 /)
  assert.deepEqual(began, [])
})

test('the memory of all requests in flight is bounded: 32 KiB for each, and the body that it announces', async (t) => {
  const { port, began, read, release } = await startServer(t, { memoryBytes: 200 * KIB })
  const whole = await Promise.all([1, 2].map(() => open(port, large.replace('/hook/', '/held/'))))
  await until('both bodies', () => read.length === 2 || undefined)
  assertBusy(await ask(port, `${head(1)}x`))
  assert.deepEqual(began, ['memory'])
  release()
  for (const socket of whole) assert.match(await answerOn(socket), /^HTTP\/1\.1 200 /)
  assert.match(await ask(port, `${head(1)}x`), /^HTTP\/1\.1 200 /)
  assert.equal(read.at(-1), 1)
  for (const socket of whole) socket.destroy()
})

test('an incomplete webhook gives way to a later one, the oldest first', async (t) => {
  const { port, began, read } = await startServer(t, { memoryBytes: 200 * KIB })
  const oldest = await openAndWait(port, 64 * KIB)
  const answering = answerOn(oldest)
  const other = await openAndWait(port, 64 * KIB)
  assert.match(await ask(port, `${head(1)}x`), /^HTTP\/1\.1 200 /)
  const answer = await answering
  assertBusy(answer)
  assert.match(answer, /\r\nconnection: close\r\n/)
  await until('the end of its connection', () => oldest.closed || undefined)
  assert.deepEqual(began, ['memory'])
  other.write('x'.repeat(64 * KIB))
  assert.match(await answerOn(other), /^HTTP\/1\.1 200 /)
  assert.deepEqual(read, [1, 64 * KIB])
  other.destroy()
})

test('a complete webhook never gives way, however many others begin', async (t) => {
  const { port, read, release } = await startServer(t, { memoryBytes: 200 * KIB })
  const whole = await open(port, large.replace('/hook/', '/held/'))
  await until('its body', () => read.length === 1 || undefined)
  const slow = []
  for (let i = 0; i < 5; i++) slow.push(await openAndWait(port, 64 * KIB))
  release()
  assert.match(await answerOn(whole), /^HTTP\/1\.1 200 /)
  for (const socket of [whole, ...slow]) socket.destroy()
})

for (const start of ['POST /other', 'POST /not-a-path', 'PUT /other']) {
  test(`the bodies of what is no webhook share 32 MiB: they push out one another, and no webhook: ${start}`, async (t) => {
    const { port, began } = await startServer(t, { memoryBytes: 100 * KIB })
    const webhook = await openAndWait(port, 64 * KIB)
    const first = await openAndWait(port, 64 * KIB, start)
    const answering = answerOn(first)
    const others = []
    while (others.length < 341) others.push(await openAndWait(port, 64 * KIB, start))
    const answer = await answering
    assertBusy(answer)
    assert.match(answer, /\r\nconnection: close\r\n/)
    assert.match(await ask(port, large.replace('POST /hook/', start)), /^HTTP\/1\.1 (200|404) /)
    webhook.write('x'.repeat(64 * KIB))
    assert.match(await answerOn(webhook), /^HTTP\/1\.1 200 /)
    assert.deepEqual(began, [])
    for (const socket of [webhook, ...others]) socket.destroy()
  })
}

test('a request releases its memory, however it ends', async (t) => {
  const { port, began } = await startServer(t, { memoryBytes: 96 * KIB }) // one at a time
  const ways = [
    () => ask(port, large),
    () => ask(port, head(64 * KIB + 1)), // 413
    async () => assert.match(await ask(port, head(2 ** 40)), /^HTTP\/1\.1 413 /), // holds no more than the limit
    async () => {
      await openAndWait(port, 64 * KIB) // gives way to the next one
      return ask(port, large)
    },
    () => ask(port, 'POST /hook/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n'), // 400
  ]
  for (let i = 0; i < 30; i++) await ways[i % ways.length]?.()
  assert.match(await ask(port, large), /^HTTP\/1\.1 200 /)
  assert.deepEqual(began, ['memory'])
})

test('load shedding is reported when it begins, and when nothing was refused for 10 s', async (t) => {
  const { app, port, began, ended } = await longIteration(t, 21)
  assert.deepEqual(began, [])
  t.mock.timers.enable({ apis: ['setTimeout'] })
  for (let i = 0; i < 3; i++) assertBusy(await ask(port, head(9 * KIB)))
  assert.deepEqual(began, ['time'])
  t.mock.timers.tick(9_999)
  assertBusy(await ask(port, head(9 * KIB)))
  t.mock.timers.tick(9_999)
  assert.deepEqual(ended, [])
  t.mock.timers.tick(1)
  assert.deepEqual(ended, [4])
  assertBusy(await ask(port, head(9 * KIB)))
  assert.deepEqual(began, ['time', 'time'])
  app.server.closeAllConnections()
})
