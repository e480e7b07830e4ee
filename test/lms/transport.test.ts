import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { HEARTBEAT } from '../../src/lms/apis/heartbeat.ts'
import { type Call, createConcurrencyLimiter, createTransport, jsonRequest } from '../../src/lms/client/transport.ts'
import { VERSION } from '../../src/service/lib/version.ts'
import { cut, hang, json, page, type Reply, startScriptedLms } from './scripted-lms.ts'
import { transportTo } from './transport-to.ts'

const queued = { authorization: null, queued: true }
const MIB = 1024 * 1024

async function start(t: TestContext, options: { path?: string; concurrency?: number; timeoutMs?: number } = {}) {
  const lms = await startScriptedLms(t)
  const calls: Call[] = []
  const transport = createTransport({
    url: new URL(lms.url + (options.path ?? '')),
    concurrency: () => options.concurrency ?? 2,
    timeoutMs: options.timeoutMs ?? 5_000,
    now: () => 1_000,
    onCall: (call) => calls.push(call),
  })
  t.after(() => transport.close())
  const heartbeat = () => transport.send(HEARTBEAT, queued)
  return { lms, transport, calls, heartbeat }
}

function failureOf(outcome: Awaited<ReturnType<ReturnType<typeof createTransport>['send']>>) {
  assert.ok(!outcome.ok)
  return outcome.failure
}

test('a request carries its body, its authorization and the name of this program', async (t) => {
  const { lms, transport } = await start(t, { path: '/lms/' })
  const request = { ...jsonRequest({ method: 'DELETE', endpoint: '/heartbeat', body: { é: 1 } }), path: '/a?b=c' }
  lms.on('DELETE /lms/a', json(409, { message: 'no' }, { 'retry-after': '3' }))
  const sent = await transport.send(request, { authorization: 'JWT abc', queued: true })
  assert.deepEqual(sent, {
    ok: true,
    value: {
      status: 409,
      retryAfter: '3',
      location: null,
      text: '{"message":"no"}',
      receivedAt: 1_000,
      endpoint: '/heartbeat',
    },
  })
  const [seen] = lms.seen
  assert.equal(seen?.url, '/lms/a?b=c')
  assert.equal(seen?.body, '{"é":1}')
  assert.equal(seen?.headers.authorization, 'JWT abc')
  assert.equal(seen?.headers['content-type'], 'application/json')
  assert.equal(seen?.headers['user-agent'], `lernito-openedx/${VERSION}`)
})

test('a redirect is an answer, and nothing is sent to its target', async (t) => {
  const { lms, transport } = await start(t)
  lms.on('GET /heartbeat', page(302, '', { location: `${lms.url}/elsewhere` }))
  const sent = await transport.send(HEARTBEAT, { authorization: 'JWT abc', queued: true })
  assert.equal(sent.ok && sent.value.location, `${lms.url}/elsewhere`)
  assert.equal(lms.seen.length, 1)
})

test('a refused or cut connection is no answer', async (t) => {
  const { lms, heartbeat } = await start(t)
  lms.on('GET /heartbeat', cut)
  const cutOff = failureOf(await heartbeat())
  assert.deepEqual([cutOff.kind, cutOff.status, cutOff.endpoint], ['unreachable', null, '/heartbeat'])
  assert.match(cutOff.message, /can't be reached: the connection was cut/)
  lms.on('GET /heartbeat', (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"sql":', () => response.socket?.destroy())
  })
  assert.equal(failureOf(await heartbeat()).kind, 'unreachable')

  const refused = failureOf(await transportTo(t, 'http://127.0.0.1:1/')())
  assert.equal(refused.message, "The LMS at 127.0.0.1:1 can't be reached: nothing listens there (ECONNREFUSED)")
})

test('after a cut connection, the next call works', async (t) => {
  const { lms, heartbeat } = await start(t)
  lms.on('GET /heartbeat', cut, json(200, {}))
  assert.equal(failureOf(await heartbeat()).kind, 'unreachable')
  assert.equal((await heartbeat()).ok, true)
})

test('a call ends at its timeout, before the answer or within it', async (t) => {
  const dripping: Reply = (response) => {
    response.writeHead(200)
    const drip = setInterval(() => response.write(' '), 10)
    response.on('close', () => clearInterval(drip))
  }
  for (const reply of [hang, dripping]) {
    const { lms, heartbeat, calls } = await start(t, { timeoutMs: 100 })
    lms.on('GET /heartbeat', reply)
    const late = failureOf(await heartbeat())
    assert.equal(late.kind, 'unreachable')
    assert.match(late.message, /no complete answer within 0\.1 s/)
    assert.equal(calls.length, 1)
  }
})

test('an answer of 2 MiB is read; a larger or endless one is cut off', async (t) => {
  const { lms, heartbeat } = await start(t)
  lms.on('GET /heartbeat', (response) => response.end('x'.repeat(2 * MIB)))
  const whole = await heartbeat()
  assert.equal(whole.ok && whole.value.text.length, 2 * MIB)
  lms.on('GET /heartbeat', (response) => response.end('x'.repeat(2 * MIB + 1)))
  assert.match(failureOf(await heartbeat()).message, /larger than 2 MiB/)

  const closed = Promise.withResolvers<void>()
  lms.on('GET /heartbeat', (response) => {
    const chunk = 'x'.repeat(64 * 1024)
    const pour = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', pour)
    response.on('close', closed.resolve)
    pour()
  })
  const endless = failureOf(await heartbeat())
  assert.equal(endless.kind, 'unreachable')
  assert.match(endless.message, /larger than 2 MiB/)
  await closed.promise
})

test('calls wait in their order for a free slot', async (t) => {
  const { lms, transport } = await start(t, { concurrency: 2 })
  const open: (() => void)[] = []
  const arrivals: (() => void)[] = []
  const paths = ['/a', '/b', '/c', '/d', '/e']
  for (const path of paths) {
    lms.on(`GET ${path}`, (response, seen) => {
      open.push(() => json(200, {})(response, seen))
      arrivals.shift()?.()
    })
  }
  const arrived = () => new Promise<void>((resolve) => arrivals.push(resolve))
  const firstTwo = [arrived(), arrived()]
  const sent = paths.map((path) => transport.send({ ...HEARTBEAT, path }, queued))
  await Promise.all(firstTwo)
  for (const more of [3, 4, 5]) {
    assert.equal(lms.seen.length, more - 1)
    const next = arrived()
    open.shift()?.()
    await next
  }
  for (const answer of open) answer()
  assert.ok((await Promise.all(sent)).every((one) => one.ok))
  assert.deepEqual(lms.seen.map(({ url }) => url).slice(2), ['/c', '/d', '/e'])
})

test('the number of slots may change: fewer while other replicas have their share, more afterwards', async () => {
  let slots = 1
  const takeSlot = createConcurrencyLimiter(() => slots)
  const admitted: string[] = []
  const acquire = async (name: string) => {
    const release = await takeSlot()
    admitted.push(name)
    return release
  }
  const slot = ['a', 'b', 'c', 'd'].map(acquire)
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
  await settled()
  assert.deepEqual(admitted, ['a'])
  slots = 2
  const releaseA = await slot[0]
  releaseA?.(0)
  await settled()
  assert.deepEqual(admitted, ['a', 'b', 'c'])
  slots = 1
  const releaseB = await slot[1]
  releaseB?.(0)
  await settled()
  assert.deepEqual(admitted, ['a', 'b', 'c'])
  const releaseC = await slot[2]
  releaseC?.(0)
  await settled()
  assert.deepEqual(admitted, ['a', 'b', 'c', 'd'])
})

test('a call that timed out keeps its slot for another 60 s, since the LMS still works on it', async (t) => {
  const { lms, transport, heartbeat } = await start(t, { concurrency: 1, timeoutMs: 100 })
  lms.on('GET /heartbeat', hang, json(200, {}))
  t.mock.timers.enable({ apis: ['setTimeout'] })
  assert.equal(failureOf(await heartbeat()).kind, 'unreachable')
  const patient = { authorization: null, timeoutMs: 10_000 }
  const waiting = transport.send(HEARTBEAT, { ...patient, queued: true })
  t.mock.timers.tick(59_999)
  // In the time of three calls that need no slot, one that had got the slot would have come, too.
  for (let passed = 0; passed < 3; passed++) {
    assert.equal((await transport.send(HEARTBEAT, { ...patient, queued: false })).ok, true)
  }
  assert.equal(lms.seen.length, 4)
  t.mock.timers.tick(1)
  assert.equal((await waiting).ok, true)
})

test('every call is reported, with its status if there is one', async (t) => {
  const { lms, heartbeat, calls } = await start(t)
  lms.on('GET /heartbeat', json(503, ''), cut)
  await heartbeat()
  await heartbeat()
  assert.deepEqual(
    calls.map(({ endpoint, method, status }) => ({ endpoint, method, status })),
    [
      { endpoint: '/heartbeat', method: 'GET', status: 503 },
      { endpoint: '/heartbeat', method: 'GET', status: null },
    ],
  )
  assert.ok(calls.every(({ ms }) => ms > 0))
})
