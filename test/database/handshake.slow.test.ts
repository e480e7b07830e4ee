import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { NO_TLS_SERVER, startTlsMariaDb } from '../mariadb-tls.ts'
import { start } from '../service/process.ts'
import { faultsOf, startBreaking } from './handshake.ts'

/**
 * The bytes between two places; primes spread them over all kinds of records. After garbled bytes a server may wait for
 * more, which takes seconds.
 */
const STEPS = { end: 11, reset: 11, garble: 503 } as const
const CHILD = join(import.meta.dirname, 'broken-handshake.ts')

describe('a connection that breaks in its TLS handshake', {
  concurrency: 3,
  skip: NO_TLS_SERVER,
}, async () => {
  const server = await startTlsMariaDb()
  after(server.remove)

  for (const how of ['end', 'reset', 'garble'] as const) {
    test(`counts as an unavailable database, wherever it breaks: ${how}`, async (t) => {
      const breaking = await startBreaking({ t, server })
      for (const connect of [breaking.full, breaking.resumed]) {
        for (const fault of await faultsOf({ ...breaking, connect, how, step: STEPS[how] })) {
          assert.equal(await connect(fault), 'unavailable', JSON.stringify(fault))
        }
      }
      t.diagnostic(`${breaking.connections()} connections`)
    })
  }

  const broken = (t: Parameters<typeof start>[0]['t'], pool: 'driver' | 'ours') => {
    const env = { TEST_PORT: `${server.port}`, TEST_CA: server.ca }
    return start({ t, args: [pool], env, command: [process.execPath, CHILD] }).ended
  }

  test('whose socket this process cuts ends a process with the driver’s pool', async (t) => {
    const { code, stderr } = await broken(t, 'driver')
    assert.equal(code, 1)
    assert.match(stderr, /Emitted 'error' event on PoolConnection instance/)
  })

  test('whose socket this process cuts does no harm with the service’s pool', async (t) => {
    const { code, stdout, stderr } = await broken(t, 'ours')
    assert.deepEqual({ code, stderr, stdout }, { code: 0, stderr: '', stdout: 'the statement failed\n' })
  })
})
