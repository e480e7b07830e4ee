import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { startFuzzing } from './fuzzing.ts'
import { hostile, PROBES, probe } from './requests.ts'

const CONNECTIONS = 24
const REQUESTS = 2
/** A connection of which nothing has come for so long hangs. The service's own limit is 10 s. */
const SILENT_MS = 20_000

/** What goes over one connection: sales, and behind their answers something hostile, cut into so many pieces. */
interface Session {
  /** A character for each byte, so that fast-check shows what can be read. */
  readonly probes: readonly string[]
  readonly hostile: readonly string[]
  readonly pieces: number
  /** How long answers are waited for before the sender closes its own side, which calls off what is under way. */
  readonly patienceMs: number
}

const session: fc.Arbitrary<Session> = fc
  .record({
    probes: fc.array(probe, { maxLength: 1 }),
    hostile: fc.array(hostile, { minLength: REQUESTS, maxLength: REQUESTS }),
    pieces: fc.integer({ min: 1, max: 3 }),
    patienceMs: fc.constantFrom(0, 20),
  })
  .map((all) => ({ ...all, hostile: all.hostile.slice(all.probes.length) }))

/** Gives the statuses of the answers to both. The connection is at its end when the service has closed it. */
async function send(
  port: number,
  { probes, hostile, pieces, patienceMs }: Session,
): Promise<{ sales: number[]; others: number[] }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {}) // the service may close it in the middle of what is sent
  socket.setTimeout(SILENT_MS, () => socket.destroy(new Error('silent')))
  await new Promise((resolve) => socket.once('connect', resolve))
  for (const request of probes) socket.write(request, 'latin1') // pipelined
  while (statusesIn(text).length < probes.length && !socket.destroyed) await new Promise(setImmediate)
  const sales = statusesIn(text)
  text = ''
  const bytes = Buffer.from(hostile.join(''), 'latin1')
  const size = Math.max(1, Math.ceil(bytes.length / pieces))
  for (let at = 0; at < bytes.length && !socket.destroyed; at += size) {
    socket.write(bytes.subarray(at, at + size))
    await new Promise(setImmediate)
  }
  if (patienceMs > 0) await delay(patienceMs)
  socket.end()
  await closed
  assert.notEqual(socket.errored?.message, 'silent', 'a connection hangs')
  return { sales, others: statusesIn(text) }
}

/** Of the answers in a row: each begins at the beginning, behind a head without a body, or behind a body of JSON. */
const statusesIn = (text: string): number[] =>
  [...text.matchAll(/(?:^|\r\n\r\n|[}\n])HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))

test('no bytes on a socket cause a crash, a 5xx or an unsigned stored webhook, and sales still succeed', async (t) => {
  const product = await startProduct()
  const fuzzing = startFuzzing(t, { share: 'http', perRun: CONNECTIONS * REQUESTS })
  const port = Number(new URL(product.url).port)
  const property = fc.asyncProperty(
    fc.array(session, { minLength: CONNECTIONS, maxLength: CONNECTIONS }),
    async (sessions) => {
      const answers = await Promise.all(sessions.map((one) => send(port, one)))
      for (const { sales, others } of answers) {
        assert.ok(
          sales.every((status) => status === 200),
          `a sale was answered ${sales.join()}`,
        )
        assert.ok(
          others.every((status) => status < 500),
          `answered: ${others.join()}`,
        )
        for (const status of [...sales, ...others]) fuzzing.count(`${status}`)
        if (others.length === 0) fuzzing.count('no answer')
      }
      product.log.length = 0
      fuzzing.ran()
    },
  )
  try {
    await fc.assert(property, { ...fuzzing.parameters, endOnFailure: true })
    fuzzing.end()
    const database = new DatabaseSync(join(product.folder, 'lernito.db'), { readOnly: true })
    const read = database.prepare('select email, state from deliveries order by email')
    // The last connection may have left a sale that nobody waited for.
    const stored = await until('the end of all attempts', () => {
      const rows = read.all()
      return rows.some(({ state }) => state === 'queued') ? undefined : rows
    })
    database.close()
    const emails = PROBES.map((_, i) => `probe${i}@example.com`).sort()
    assert.deepEqual(
      stored.map(({ email, state }) => [email, state]),
      emails.map((email) => [email, 'pre_enrolled']),
    )
  } finally {
    await product.stop()
  }
})
