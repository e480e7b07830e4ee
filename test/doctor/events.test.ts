import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { CAUSE_GROUPS } from '../../src/doctor/check.ts'
import { readEndpoint } from '../../src/queue/outbox/endpoint.ts'
import { NO_OPENSSL } from '../lms/certificates.ts'
import { temporaryFolder, until } from '../service/process.ts'
import { sell, serveEnv, startLms, startServe } from '../service/serving.ts'
import { EVENTS_SECRET, startReceiver, statusAnswer } from '../shop/events/receiver.ts'
import { type Case, envFor, examined, nobody, resultOf, selfSigned, silent, testCauses } from './examining.ts'

const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))

const envWith = async (t: TestContext, url: string) => ({
  ...envFor({ t, lmsUrl: `http://${await nobody(t)}` }),
  LERNITO_EVENTS_URL: url,
  LERNITO_EVENTS_SECRET: EVENTS_SECRET,
})
/** Examined after a service has sent events to an endpoint that answers with this status. */
const answering = async (t: TestContext, status: number) => {
  const [receiver, lms, folder] = [await startReceiver(t), await startLms(t), temporaryFolder(t)]
  receiver.answer(statusAnswer(status))
  const events = { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET }
  const env = { ...serveEnv({ folder, lmsUrl: lms.url }), ...events }
  const { url } = await startServe({ t, folder, lmsUrl: lms.url, env })
  for (const name of ['ada', 'bob', 'cleo']) await sell({ url, email: `${name}@example.com` })
  const { db, close } = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
  await until('the failure', async () => (await readEndpoint(db))?.state !== 'up' || undefined)
  await close()
  return { env, results: await examined({ env }) }
}

const endpointAt = async (t: TestContext, url: string) => examined({ env: await envWith(t, url) })

const CASES: Readonly<Record<keyof typeof CAUSE_GROUPS.events, Case>> = {
  'events.private': {
    rule: 'a host name that resolves to a private address',
    found: 'events.endpoint',
    broken: async (t) =>
      examined({
        env: await envWith(t, 'https://shop.example/events'),
        resolve: (_hostname, _options, callback) => callback(null, [{ address: '10.0.0.5', family: 4 }]),
      }),
  },
  'events.unreachable': {
    rule: 'an endpoint where nothing listens',
    found: 'events.endpoint',
    broken: async (t) => endpointAt(t, `http://${await nobody(t)}/events`),
  },
  'events.refused': {
    rule: 'an endpoint that has refused three events in a row',
    found: 'events.endpoint',
    broken: async (t) => (await answering(t, 401)).results,
  },
  'events.gone': {
    rule: 'an endpoint that has answered 410',
    found: 'events.endpoint',
    broken: async (t) => (await answering(t, 410)).results,
  },
  'events.tls': {
    rule: 'an endpoint whose certificate nobody trusts',
    found: 'events.endpoint',
    broken: async (t) => endpointAt(t, `https://${await selfSigned(t)}/events`),
    skip: NO_OPENSSL,
  },
}
testCauses(CAUSE_GROUPS.events, CASES)

test('an endpoint that has an address for a name is tried without a warning of Node.js', async (t) => {
  await endpointAt(t, `https://${await nobody(t)}/events`)
  assert.deepEqual(warnings, [])
})

test('an endpoint that accepts the connection is fine, and gets no request', async (t) => {
  const receiver = await startReceiver(t)
  const result = resultOf(await endpointAt(t, receiver.url), 'events.endpoint')
  assert.equal(result.status, 'ok')
  assert.deepEqual([receiver.got, receiver.wrong], [[], []])
})

test('an endpoint that never ends the TLS handshake, or a host without a name, ends within the time of a call', async (t) => {
  const env = await envWith(t, `https://${await silent(t)}/events`)
  const deadlines = { callMs: 300, totalMs: 5_000 }
  const [found] = resultOf(await examined({ env, deadlines }), 'events.endpoint').problems
  assert.equal(found?.cause, 'events.tls')
  const lost = { ...env, LERNITO_EVENTS_URL: 'https://no-such-host.invalid/' }
  const [missing] = resultOf(await examined({ env: lost }), 'events.endpoint').problems
  assert.equal(missing?.cause, 'events.unreachable')
})

test('what an endpoint at another address has answered says nothing of this one', async (t) => {
  const [{ env }, other] = [await answering(t, 410), await startReceiver(t)]
  const moved = await examined({ env: { ...env, LERNITO_EVENTS_URL: other.url } })
  assert.equal(resultOf(moved, 'events.endpoint').status, 'ok')
})

test('without LERNITO_EVENTS_URL the check is skipped', async (t) => {
  const env = envFor({ t, lmsUrl: `http://${await nobody(t)}` })
  assert.equal(resultOf(await examined({ env }), 'events.endpoint').status, 'skipped')
})
