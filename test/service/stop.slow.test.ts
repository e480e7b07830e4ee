import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { DEMO, exchange } from '../harness.ts'
import { type Running, temporaryFolder, until } from './process.ts'
import { BULK, sell, startHoldingLms, startLms, startServe, storedDeliveries } from './serving.ts'

const ALICE = 'alice@example.com'
const HELD = { method: 'POST', path: BULK, delayMs: 1, times: 1 }
const ENROLLED = { email: ALICE, course: DEMO, mode: 'audit', active: true }

/** Sends SIGTERM, and returns how the process ended and after how many ms. */
async function stop({ child, ended }: Running) {
  const began = performance.now()
  child.kill('SIGTERM')
  const { code, signal, stderr } = await ended
  return { code, signal, stderr, ms: performance.now() - began }
}

const isClosed = (url: string): Promise<true | undefined> => {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) })
    socket.once('error', () => resolve(true))
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
  })
}

describe('SIGTERM stops the service', { concurrency: 4 }, () => {
  test('at once if nothing is in flight, even if a proxy keeps a connection open', async (t) => {
    const folder = temporaryFolder(t)
    const serving = await startServe({ t, folder, lmsUrl: 'http://127.0.0.1:9' })
    const agent = new Agent({ keepAlive: true })
    t.after(() => agent.destroy())
    const [response] = await once(request(`${serving.url}/healthz`, { agent }).end(), 'response')
    await once(response.resume(), 'end')
    const { ms, ...ended } = await stop(serving)
    assert.deepEqual(ended, { code: 0, signal: null, stderr: '' })
    assert.ok(ms < 2000, `it took ${ms} ms`)
  })

  test('soon, even if one connection has sent nothing and another half a request', async (t) => {
    const serving = await startServe({ t, folder: temporaryFolder(t), lmsUrl: 'http://127.0.0.1:9' })
    for (const text of ['', 'POST /api/lernito/webhook/ HTTP/1.1\r\nhost: shop\r\ncontent-length: 9\r\n\r\n{']) {
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(serving.url).port) })
      t.after(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(text)
    }
    const { code, ms } = await stop(serving)
    assert.equal(code, 0)
    assert.ok(ms < 3000, `it took ${ms} ms`)
  })

  test('as SIGINT (Ctrl+C) does', async (t) => {
    const serving = await startServe({ t, folder: temporaryFolder(t), lmsUrl: 'http://127.0.0.1:9' })
    serving.child.kill('SIGINT')
    const { code, signal } = await serving.ended
    assert.deepEqual({ code, signal }, { code: 0, signal: null })
  })

  test('after work in flight is enrolled, stored and answered; meanwhile no new request is served', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    await lms.faults([HELD])
    const serving = await startServe({ t, folder, lmsUrl: lms.url })
    const answer = sell({ url: serving.url, email: ALICE })
    await lms.arrived
    serving.child.kill('SIGTERM')
    await until('the closed door', () => isClosed(serving.url))
    assert.equal(serving.child.exitCode, null)
    lms.release()
    const answered = await answer
    assert.equal(answered?.status, 200)
    assert.equal(answered.headers.connection, 'close') // or a proxy would send its next webhook into the closing door
    const { code, stderr } = await serving.ended
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.deepEqual(
      (await storedDeliveries(folder)).map(({ state }) => state),
      ['enrolled'],
    )
  })

  test('after LERNITO_DRAIN_MS, while it answers 503 to /healthz and /readyz, serves the rest, and closes each connection', async (t) => {
    const lms = await startLms(t)
    const env = { LERNITO_DRAIN_MS: '6000' }
    const serving = await startServe({ t, folder: temporaryFolder(t), lmsUrl: lms.url, env })
    const status = async (path: string): Promise<number> =>
      (await exchange({ url: `${serving.url}/${path}`, method: 'GET' })).status
    assert.deepEqual([await status('healthz'), await status('readyz')], [200, 200])
    const before = await sell({ url: serving.url, email: 'bob@example.com' }) // the first takes longest
    assert.deepEqual([before?.status, before?.headers.connection], [200, 'keep-alive'])
    const ended = stop(serving)
    await serving.logged(({ msg }) => msg === 'stopping')
    assert.deepEqual([await status('healthz'), await status('readyz')], [503, 503])
    const answered = await sell({ url: serving.url, email: ALICE })
    // A Kubernetes Service leaves out a pod that stops for new connections alone.
    assert.deepEqual([answered?.status, answered?.headers.connection], [200, 'close'])
    const { code, stderr, ms } = await ended
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.ok(ms >= 6000 && ms < 9000, `it took ${ms} ms`)
  })

  test('within 8 s even if the LMS never answers; the next start enrolls the person who was in flight', async (t) => {
    const folder = temporaryFolder(t)
    const hanging = await startHoldingLms(t)
    await hanging.faults([{ ...HELD, drop: 'before' }])
    const first = await startServe({ t, folder, lmsUrl: hanging.url, env: { LERNITO_ANSWER_WITHIN_MS: '60000' } })
    const answer = sell({ url: first.url, email: ALICE })
    await hanging.arrived
    const { ms, ...ended } = await stop(first)
    assert.ok(ms < 8000, `it took ${ms} ms`)
    assert.deepEqual(ended, { code: 0, signal: null, stderr: '' })
    assert.deepEqual(
      first.log().flatMap(({ level, msg }) => (level === 'info' ? [] : [msg])),
      ['stopped waiting for the LMS or the database; unfinished deliveries continue after the next start'],
    )
    const answered = await answer
    assert.ok(answered === null || answered.status === 500, `answered ${answered?.status}`)

    const healthy = await startLms(t)
    const second = await startServe({ t, folder, lmsUrl: healthy.url })
    await second.logged(({ event }) => event === 'enrolled')
    const { enrollments } = await healthy.state()
    assert.deepEqual(
      enrollments.filter(({ email }) => email === ALICE),
      [ENROLLED],
    )
  })

  test('with one warning, although it cuts the calls of the follow-up, too', async (t) => {
    const folder = temporaryFolder(t)
    const hanging = await startHoldingLms(t)
    const first = await startServe({ t, folder, lmsUrl: hanging.url })
    await sell({ url: first.url, email: 'new@example.com' })
    await stop(first)
    await hanging.faults([{ path: '/api/user/v1/accounts/search_emails', delayMs: 1, drop: 'before' }])
    const second = await startServe({ t, folder, lmsUrl: hanging.url })
    await hanging.arrived
    await stop(second)
    assert.deepEqual(
      second.log().flatMap(({ level, msg }) => (level === 'info' ? [] : [msg])),
      ['stopped waiting for the LMS or the database; unfinished deliveries continue after the next start'],
    )
  })
})
