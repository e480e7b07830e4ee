import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { openDatabase } from '../../../src/database/database.ts'
import { exchange } from '../../harness.ts'
import { type Running, start, until } from '../../service/process.ts'
import { serveEnv } from '../../service/serving.ts'

const REPLICA = fileURLToPath(new URL('replica.ts', import.meta.url))

export interface Serving extends Running {
  readonly url: string
}

/** Starts a replica as a process. Resolves as soon as it listens or, with `ready`, as soon as it accepts webhooks. */
export async function startReplica({
  t,
  databaseUrl,
  lmsUrl,
  ready = true,
  env = {},
}: {
  t: TestContext
  databaseUrl: string
  lmsUrl: string
  ready?: boolean
  env?: Record<string, string>
}): Promise<Serving> {
  // The call budget is empty at the start, and a sale would first go without bulk_enroll.
  const fast = { LERNITO_DATABASE_URL: databaseUrl, LERNITO_LMS_CALLS_PER_MINUTE: '0' }
  const settings = { ...serveEnv({ folder: '.', lmsUrl }), ...fast, ...env }
  const running = start({ t, args: [], env: settings, command: [process.execPath, REPLICA] })
  const { url } = await running.logged(({ msg }) => msg === (ready ? 'ready for webhooks' : 'listening'))
  return { ...running, url: z.string().parse(url) }
}

const readiness = z.object({ status: z.string(), reason: z.string().optional() })

/** The answer of /readyz. */
export async function readyz({ url }: Pick<Serving, 'url'>): Promise<{ status: number; reason: string | undefined }> {
  const { status, text } = await exchange({ url: `${url}/readyz`, method: 'GET' })
  return { status, reason: readiness.parse(JSON.parse(text)).reason }
}

export const untilReady = (serving: Pick<Serving, 'url'>): Promise<true> =>
  until('readiness', async () => (await readyz(serving)).status === 200 || undefined)

export const untilNotReady = (serving: Pick<Serving, 'url'>): Promise<string> =>
  until('a reason', async () => (await readyz(serving)).reason)

/** The replicas in the database, dead or alive. */
export async function replicaNames(databaseUrl: string): Promise<string[]> {
  const { db, close } = openDatabase({ url: databaseUrl, serve: false })
  try {
    return (await db.selectFrom('replicas').select('id').execute()).map(({ id }) => id)
  } finally {
    await close()
  }
}

/** The deliveries in the database, each with the kinds of its events. */
export async function inspect(databaseUrl: string) {
  const { db, close } = openDatabase({ url: databaseUrl, serve: false })
  try {
    const rows = await db.selectFrom('deliveries').select(['id', 'email', 'state']).orderBy('id').execute()
    const events = await db.selectFrom('events').select(['delivery_id', 'kind']).orderBy('id').execute()
    const kinds = Map.groupBy(events, ({ delivery_id }) => delivery_id)
    return rows.map((row) => ({ ...row, happened: (kinds.get(row.id) ?? []).map(({ kind }) => kind) }))
  } finally {
    await close()
  }
}
