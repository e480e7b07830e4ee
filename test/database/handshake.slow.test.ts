import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import type { Database } from '../../src/database/dialect.ts'
import { NO_TLS_SERVER, startTlsMariaDb } from '../mariadb-tls.ts'
import { start } from '../service/process.ts'
import { type Fault, startHandshakeProxy } from './handshake-proxy.ts'

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

/** What came of a statement: it was answered, the database counts as unavailable, or another error. */
type Outcome = 'answered' | 'unavailable' | { readonly unexpected: unknown }

/** Opens connections to a server over TLS through a proxy, which breaks them in their handshake. */
async function startBreaking({
  t,
  server,
}: {
  t: TestContext
  server: { port: number; ca: string; newDatabase: () => Promise<{ url: string }> }
}) {
  const ca = await readFile(server.ca, 'utf8')
  const { url } = await server.newDatabase()
  const proxy = await startHandshakeProxy(t, server.port)
  const through = `${url.replace(`127.0.0.1:${server.port}`, `localhost:${proxy.port}`)}?tls=verify`
  let connections = 0
  let answeredAfter = proxy.passed()

  /** Sends a statement whose connection has this fault. */
  const send = async ({ db, dialect }: Database, fault: Fault | null): Promise<Outcome> => {
    proxy.set(fault)
    connections++
    try {
      await sql`select 1`.execute(db)
      answeredAfter = proxy.passed()
      return 'answered'
    } catch (error) {
      return dialect.errorKindOf(error) === 'unavailable' ? 'unavailable' : { unexpected: error }
    }
  }
  const opened = async (use: (database: Database) => Promise<Outcome>): Promise<Outcome> => {
    const database = openDatabase({ url: through, ca, serve: false })
    try {
      return await use(database)
    } finally {
      await database.close()
    }
  }
  return {
    full: (fault: Fault | null): Promise<Outcome> => opened((database) => send(database, fault)),
    /** The handshake resumes the session of a first connection, which is in use meanwhile. */
    resumed: (fault: Fault | null): Promise<Outcome> =>
      opened(async (database) => {
        proxy.set(null)
        connections++
        return database.db.connection().execute(async (first) => {
          await sql`select 1`.execute(first)
          return send(database, fault)
        })
      }),
    /** How many bytes each side has sent when the latest statement was answered. */
    answeredAfter: () => answeredAfter,
    connections: (): number => connections,
  }
}
type Breaking = Awaited<ReturnType<typeof startBreaking>>

/** Signatures differ in length by some bytes. The last bytes belong to the answer of the statement. */
const VARIES_BY = 12

/** A fault at each `step`th byte that either side sends until a statement is answered. */
async function faultsOf({
  connect,
  answeredAfter,
  how,
  step,
}: {
  connect: Breaking['full']
  answeredAfter: Breaking['answeredAfter']
  how: Fault['how']
  step: number
}): Promise<Fault[]> {
  await connect(null) // the first login at a MySQL takes longer
  await connect(null)
  const bytes = answeredAfter()
  return (['up', 'down'] as const).flatMap((direction) =>
    Array.from({ length: Math.ceil((bytes[direction] - VARIES_BY) / step) }, (_, at) => ({
      direction,
      after: at * step,
      how,
    })),
  )
}
