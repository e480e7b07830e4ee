import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import type { Write } from '../../src/queue/store.ts'
import { joined } from '../queue/harness.ts'
import { type Ended, temporaryFolder } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'
import { runShared } from './commands.ts'

const NOBODY = 'http://127.0.0.1:9'

/** The command line with an inbox of its own that no service works on. */
export async function inboxOf(t: TestContext, { lmsUrl = NOBODY }: { lmsUrl?: string } = {}) {
  const folder = temporaryFolder(t)
  const env = serveEnv({ folder, lmsUrl })
  const file = join(folder, 'lernito.db')
  const withDatabase = async <Result>(use: (opened: Awaited<ReturnType<typeof open>>) => Promise<Result>) => {
    const opened = await open(file)
    try {
      return await use(opened)
    } finally {
      await opened.database.close()
    }
  }
  await withDatabase(async () => {})
  return {
    folder,
    env,
    file,
    /** Stores these as a service that has ended since. Returns their ids. */
    store: (writes: readonly Write[]): Promise<string[]> =>
      withDatabase(async ({ store, database: { db } }) => {
        const written = await store.write(writes)
        await db.deleteFrom('replicas').execute()
        return written.map(({ id }) => id)
      }),
    states: (): Promise<Record<string, string>> =>
      withDatabase(async ({ database: { db } }) => {
        const rows = await db.selectFrom('deliveries').select(['id', 'state']).execute()
        return Object.fromEntries(rows.map(({ id, state }) => [id, state]))
      }),
    command: (...args: string[]): Promise<Ended> => runShared({ args, env }),
  }
}

async function open(file: string) {
  const database = openDatabase({ url: `sqlite:${file}`, serve: false })
  await migrate({ database, now: Date.now })
  return { database, ...(await joined({ database, me: 'replica-1', now: Date.now })) }
}
