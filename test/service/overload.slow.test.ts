import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DEMO, exchange, payload, signed } from '../harness.ts'
import { temporaryFolder, until } from './process.ts'
import { sell, startLms, startServe, storedDeliveries } from './serving.ts'

const SENDERS = 120
const SALES = 40
const KIB = 1024

/** Expensive to parse and to canonicalize, with a wrong signature. */
const HOSTILE = `[${'1e15,'.repeat(13_000)}0]`

/**
 * Opens SENDERS connections that each send it again after an answer: at once, or a moment after a 503, so that the
 * service and not this process has the most work. Returns how often each status was answered so far.
 */
function flood(url: string, signal: AbortSignal): Map<string, number> {
  const { port } = new URL(url)
  const lines = [`content-length: ${HOSTILE.length}`, 'content-type: application/json', 'host: x']
  const head = `POST /api/lernito/webhook/ HTTP/1.1\r\n${lines.join('\r\n')}\r\nx-lernito-signature: ${'0'.repeat(64)}\r\n\r\n`
  const request = Buffer.from(head + HOSTILE)
  const statuses = new Map<string, number>()
  for (let i = 0; i < SENDERS; i++) {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request))
    socket.on('error', () => {})
    socket.on('data', (answer) => {
      const [, status = ''] = /^HTTP\/1\.1 (\d+)/.exec(answer.toString('latin1')) ?? []
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (status === '503') setTimeout(() => socket.write(request), 200)
      else socket.write(request)
    })
    signal.addEventListener('abort', () => socket.destroy())
  }
  return statuses
}

/** A sale with a large body: its course key is padded with white space. */
async function sellLarge(url: string, email: string): Promise<number> {
  const body = payload({ email }).replace(DEMO, DEMO + ' '.repeat(9 * KIB))
  return (await exchange({ url: `${url}/api/lernito/webhook/`, headers: signed(body), body })).status
}

test('under a flood of hostile bodies some webhooks get 503, /healthz answers, and every accepted sale is enrolled', async (t) => {
  const folder = temporaryFolder(t)
  const lms = await startLms(t)
  const env = { LERNITO_LMS_CALLS_PER_MINUTE: '0' }
  const serving = await startServe({ t, folder, lmsUrl: lms.url, env })
  const over = new AbortController()
  t.after(() => over.abort())
  const statuses = flood(serving.url, over.signal)
  await until('a 503', () => statuses.get('503'))

  const emails = Array.from({ length: SALES }, (_, i) => `sale${i}@example.com`)
  const selling = emails.map(async (email, i) => {
    await delay(i * 20)
    return sell({ url: serving.url, email })
  })
  const large = [0, 1, 2, 3].map(async (i) => ({
    email: `large${i}@example.com`,
    status: await sellLarge(serving.url, `large${i}@example.com`),
  }))
  const health = []
  for (let i = 0; i < 5; i++) health.push((await exchange({ url: `${serving.url}/healthz`, method: 'GET' })).status)
  const sold = await Promise.all(selling)
  const sizable = await Promise.all(large)
  over.abort()

  assert.deepEqual(health, [200, 200, 200, 200, 200])
  assert.deepEqual([...statuses.keys()].sort(), ['401', '503'])
  for (const answered of sold) assert.ok(answered?.status === 200 || answered?.status === 500, `${answered?.status}`)
  const accepted = [...emails, ...sizable.flatMap(({ email, status }) => (status === 503 ? [] : [email]))]
  await until('every enrollment', async () => (await lms.state()).allowances.length === accepted.length || undefined)
  const stored = await storedDeliveries(folder)
  assert.deepEqual(stored.map(({ email }) => email).sort(), accepted.sort())
  assert.ok(stored.every(({ state }) => state === 'pre_enrolled'))

  const busy = serving.log().filter(({ msg }) => msg.startsWith('load shedding started'))
  assert.equal(busy.length, 1)
  assert.ok(serving.log().filter(({ msg }) => msg === 'webhook refused').length <= 5)
  serving.child.kill('SIGTERM')
  await serving.ended
  assert.ok(
    serving.log().some(({ msg }) => /^refused \d+ webhooks from 127\.0\.0\.1 in the last minute: signature/.test(msg)),
  )
})
