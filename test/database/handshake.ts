import { readFile } from 'node:fs/promises'
import { sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import type { Database } from '../../src/database/dialect.ts'
import { type Fault, startHandshakeProxy } from './handshake-proxy.ts'

interface Cleanup {
  readonly after: (done: () => void) => void
}

/** What came of a statement: it was answered, the database counts as unavailable, or another error. */
export type Outcome = 'answered' | 'unavailable' | { readonly unexpected: unknown }

/** Opens connections to a server over TLS through a proxy, which breaks them in their handshake. */
export async function startBreaking({
  t,
  server,
}: {
  t: Cleanup
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
export type Breaking = Awaited<ReturnType<typeof startBreaking>>

/** Signatures differ in length by some bytes. The last bytes belong to the answer of the statement. */
const VARIES_BY = 12

/** A fault at each `step`th byte that either side sends until a statement is answered. */
export async function faultsOf({
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
