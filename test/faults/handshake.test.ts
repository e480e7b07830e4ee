import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { faultsOf, startBreaking } from '../database/handshake.ts'
import { NO_TLS_SERVER, startTlsMariaDb } from '../mariadb-tls.ts'

/** At the same time, each through a proxy of its own. */
const PARALLEL = 4

/** The handshake, and how the connection breaks in it. */
const KINDS = [
  ['full', 'end'],
  ['full', 'reset'],
  ['resumed', 'reset'],
] as const

describe('MariaDB over TLS', { timeout: 900_000, skip: NO_TLS_SERVER }, async () => {
  const server = await startTlsMariaDb()
  after(server.remove)

  let connections = 0
  for (const [kind, how] of KINDS) {
    test(`at every byte of a ${kind} handshake, a broken connection is an ordinary error: ${how}`, async (t) => {
      const places = await Promise.all(
        Array.from({ length: PARALLEL }, async () => {
          const breaking = await startBreaking({ t, server })
          return { breaking, faults: await faultsOf({ ...breaking, connect: breaking[kind], how, step: 1 }) }
        }),
      )
      await Promise.all(
        places.map(async ({ breaking, faults }, worker) => {
          for (const fault of faults.filter((_, at) => at % PARALLEL === worker)) {
            assert.equal(await breaking[kind](fault), 'unavailable', JSON.stringify(fault))
          }
        }),
      )
      connections += places.reduce((sum, { breaking }) => sum + breaking.connections(), 0)
      t.diagnostic(`${connections} connections so far`)
    })
  }
})
