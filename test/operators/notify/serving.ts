import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { openDatabase } from '../../../src/database/database.ts'
import { type Running, start, until } from '../../service/process.ts'
import { sell, serveEnv } from '../../service/serving.ts'

const REPLICA = fileURLToPath(new URL('replica.ts', import.meta.url))

interface Notifying extends Running {
  readonly url: string
  /** Sells a course that the LMS doesn't have, so that the delivery needs attention. */
  readonly fail: (course: string) => Promise<void>
}

/** Starts a replica that posts notifications to `chatUrl` within moments. Resolves when it accepts webhooks. */
export async function startNotifying({
  t,
  lmsUrl,
  chatUrl,
  databaseUrl,
}: {
  t: TestContext
  lmsUrl: string
  chatUrl: string
  databaseUrl: string
}): Promise<Notifying> {
  const own = { LERNITO_DATABASE_URL: databaseUrl, LERNITO_NOTIFY_URL: chatUrl }
  const env = { ...serveEnv({ folder: '.', lmsUrl }), ...own }
  const running = start({ t, args: [], env, command: [process.execPath, REPLICA] })
  const logged = await running.logged(({ msg }) => msg === 'ready for webhooks')
  const url = z.string().parse(logged.url)
  let people = 0
  return {
    ...running,
    url,
    fail: async (course) =>
      void (await sell({ url, email: `p${++people}-${running.child.pid}@x.example`, courseIds: [course] })),
  }
}

/** How often a process has sent a text. */
export const sentBy = ({ log }: Pick<Running, 'log'>): number =>
  log().filter(({ msg }) => msg === 'notification sent').length

/** Resolves when the database has stored that a text was sent. */
export async function untilStored(databaseUrl: string): Promise<void> {
  const { db, close } = openDatabase({ url: databaseUrl, serve: false })
  const told = () => db.selectFrom('notices').select('id').where('texts', '>', 0).executeTakeFirst()
  await until('a stored text', told).finally(close)
}
