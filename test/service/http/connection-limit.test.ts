import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createApp } from '../../../src/service/http/app.ts'
import { watchedLog } from '../../log-watch.ts'
import { until } from '../process.ts'

const MOST = 5
/** More than the two systems hold between the programs. */
const MUCH = Buffer.alloc(16 * 1024 * 1024)
/** The limit for an answer to come. */
const soon = () => ({ signal: AbortSignal.timeout(5000) })

/** A server with at most five connections: one route answers at once, one only after `release`. */
async function setUp(t: TestContext) {
  const { log, lines } = watchedLog({ level: 'warn', env: {} })
  const app = createApp({
    log,
    bodyLimit: 1024,
    trustedProxies: 0,
    leaving: new AbortController().signal,
    stopping: new AbortController().signal,
    onRefused: () => {},
    maxConnections: MOST,
  })
  const held = Promise.withResolvers<void>()
  let holding = 0
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post('/at-once', async () => 'taken')
  app.post('/refused', { onRequest: async (_request, reply) => reply.code(415).send('refused') }, async () => 'taken')
  app.get('/much', (_request, reply) => {
    holding++
    return reply.send(MUCH)
  })
  app.route({
    method: ['GET', 'POST'],
    url: '/held',
    handler: async () => {
      holding++
      await held.promise
      return 'taken'
    },
  })
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  t.after(() => {
    held.resolve()
    app.server.closeAllConnections()
    return app.close()
  })
  const open = async (text = ''): Promise<Socket> => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.resume()
    if (text !== '') socket.write(text)
    return socket
  }
  const answered = async (socket: Socket | undefined, text: string): Promise<string> => {
    if (socket === undefined) throw new Error('there is no connection')
    const coming = once(socket, 'data', soon())
    socket.write(text)
    return String((await coming)[0]).slice(0, 12)
  }
  /** Opens one connection more, and tells whether those before it are cut first, as new ones come. */
  const keepsItsPlace = async (): Promise<void> => {
    const latest = await open()
    assert.equal(await answered(latest, request('/at-once')), 'HTTP/1.1 200')
    for (let i = 1; i < MOST; i++) assert.equal(await answered(await open(), request('/at-once')), 'HTTP/1.1 200')
    assert.equal(await answered(latest, request('/at-once')), 'HTTP/1.1 200')
  }
  return { lines, open, answered, keepsItsPlace, release: held.resolve, holding: () => holding }
}

const request = (path: string, body = 'x'): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: x/y\r\ncontent-length: 1\r\n\r\n${body}`

test('with too many connections, the one that has waited longest for a complete request is cut', async (t) => {
  const { lines, open, answered } = await setUp(t)
  const silent = await open()
  const inHeaders = await open('POST /at-once HTTP/1.1\r\nhost:')
  const inBody = await open(request('/at-once', ''))
  const [kept, older] = [await open(), await open()]
  for (const socket of [older, kept]) assert.equal(await answered(socket, request('/at-once')), 'HTTP/1.1 200')
  const inOrder = [silent, inHeaders, inBody, older, kept]
  for (const [number, victim] of inOrder.entries()) {
    assert.equal(victim.closed, false, `${number}`)
    const closed = once(victim, 'close', soon())
    assert.equal(await answered(await open(), request('/at-once')), 'HTTP/1.1 200')
    await closed
  }
  const logged = lines.filter(({ msg }) => /^too many connections/.test(String(msg)))
  assert.deepEqual(
    logged.map(({ level, ip, most }) => [level, ip, most]),
    [['warn', '127.0.0.1', MOST]],
  )
})

test('a connection whose request is complete is never cut, with a body or without', async (t) => {
  const { open, answered, release, holding } = await setUp(t)
  const whole = [await open(), await open()]
  const answers = [answered(whole[0], request('/held')), answered(whole[1], 'GET /held HTTP/1.1\r\nhost: x\r\n\r\n')]
  await until('both requests', () => holding() === 2 || undefined)
  for (let i = 0; i < 2 * MOST; i++) assert.equal(await answered(await open(), request('/at-once')), 'HTTP/1.1 200')
  release()
  assert.deepEqual(await Promise.all(answers), ['HTTP/1.1 200', 'HTTP/1.1 200'])
})

test('a connection whose client does not take its answer waits for it, whatever else it has sent', async (t) => {
  const { open, keepsItsPlace, holding } = await setUp(t)
  const get = 'GET /much HTTP/1.1\r\nhost: x\r\n\r\n'
  for (let i = 1; i < MOST; i++) {
    const socket = await open()
    socket.pause()
    socket.write(get + (i % 2 === 0 ? '' : request('/held')))
  }
  await until('all requests', () => holding() === 1.5 * (MOST - 1) || undefined)
  await keepsItsPlace()
})

test('a connection that was answered before its request was complete waits for the next one', async (t) => {
  const { open, answered, keepsItsPlace } = await setUp(t)
  for (let i = 1; i < MOST; i++) {
    const socket = await open()
    assert.equal(await answered(socket, request('/refused', '')), 'HTTP/1.1 415')
    socket.write('x')
  }
  await keepsItsPlace()
})

test('four requests of a connection can wait for their answers; one more, and it is cut, and none behind is handled', async (t) => {
  const { open, release, holding } = await setUp(t)
  const get = 'GET /held HTTP/1.1\r\nhost: x\r\n\r\n'
  const greedy = await open(get.repeat(1000))
  await once(greedy, 'close', soon())
  assert.equal(holding(), 4)
  const patient = await open(get.repeat(4))
  await until('its requests', () => holding() === 8 || undefined)
  let text = ''
  patient.on('data', (chunk) => {
    text += chunk
  })
  release()
  await until('its answers', () => text.split('HTTP/1.1 200').length === 5 || undefined)
})

test('connections that end make room for others', async (t) => {
  const { lines, open } = await setUp(t)
  for (let i = 0; i < 3 * MOST; i++) {
    const socket = await open()
    socket.end()
    await once(socket, 'close')
  }
  assert.deepEqual(lines, [])
})
