import assert from 'node:assert/strict'
import { after, describe, type TestContext, test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { NO_MARIADB, startMariaDb } from '../../mariadb.ts'
import { startReplica } from '../../queue/replicas/serving.ts'
import { temporaryFolder, until } from '../../service/process.ts'
import { BULK, sell, startHoldingLms, UNENROLL } from '../../service/serving.ts'
import { refund } from './refunding.ts'
import { ended, operationsOn } from './withdrawing.ts'

const ALICE = 'alice@example.com'
const HELD = { method: 'POST', delayMs: 1, times: 1 }
const ENV = {
  LERNITO_LMS_CALLS_PER_MINUTE: '0',
  LERNITO_REFUNDS: 'on',
  LERNITO_ANSWER_WITHIN_MS: '500',
  LANDS_MS: '12000', // what a test does until the late call, on a busy machine
}

/** A killed replica's call is in the LMS, and another process continues its work. */
async function setUp(t: TestContext, databaseUrl: string) {
  const lms = await startHoldingLms(t)
  const start = () => startReplica({ t, databaseUrl, lmsUrl: lms.url, env: ENV })
  const { operations, context, close } = operationsOn(databaseUrl)
  t.after(close)
  const { db } = context.database
  return {
    lms,
    start,
    operations,
    isActive: async () => (await lms.state()).enrollments.some(({ email, active }) => email === ALICE && active),
    stateOf: async (id: string) => (await operations.show(id))?.state,
    soldId: async () => (await db.selectFrom('deliveries').select('id').executeTakeFirstOrThrow()).id,
  }
}

const DATABASES: [string, (t: TestContext) => Promise<string>][] = [
  ['the next start on SQLite', async (t) => `sqlite:${temporaryFolder(t)}/lernito.db`],
]
if (!NO_MARIADB) {
  const server = await startMariaDb()
  after(server.remove)
  DATABASES.push(['another replica on MariaDB', async () => (await server.newDatabase()).url])
}

describe('a process is killed in a call that the LMS carries out late', { concurrency: 2 }, () => {
  for (const [successor, newUrl] of DATABASES) {
    const isNext = successor.startsWith('the next')

    test(`a call that enrolls: a refund at ${successor} takes the buyer out when it has landed`, async (t) => {
      const { lms, start, operations, isActive, stateOf, soldId } = await setUp(t, await newUrl(t))
      const first = await start()
      await lms.faults([{ ...HELD, path: BULK }])
      const answered = sell({ url: first.url, email: ALICE })
      await lms.arrived
      const second = isNext ? null : await start()
      first.child.kill('SIGKILL')
      await first.ended
      await answered
      const { url } = second ?? (await start())
      const id = await soldId()
      await until('the next attempt', async () => (await stateOf(id)) === 'enrolled' || undefined)
      assert.equal((await refund({ url, email: ALICE })).status, 202)
      // As if they had left, so that the late call shows.
      await lms.seed({ enrollments: [{ email: ALICE, course: DEMO, mode: 'audit', active: false }] })
      lms.release()
      await until('the late call', async () => (await isActive()) || undefined)
      const { result } = await ended({ operations }, id)
      assert.deepEqual([await isActive(), await stateOf(id)], [false, 'withdrawn'])
      assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
    })

    test(`a call that unenrolls: a sale at ${successor} waits until it can land no more`, async (t) => {
      const { lms, start, isActive, stateOf } = await setUp(t, await newUrl(t))
      const first = await start()
      const sold = await sell({ url: first.url, email: ALICE })
      const id = String(sold?.headers['x-lernito-delivery'])
      await until('the first enrollment', async () => (await stateOf(id)) === 'enrolled' || undefined)
      await lms.faults([{ ...HELD, path: UNENROLL }])
      assert.equal((await refund({ url: first.url, email: ALICE })).status, 202)
      await lms.arrived
      const second = isNext ? null : await start()
      first.child.kill('SIGKILL')
      await first.ended
      const { url } = second ?? (await start())
      await sell({ url, email: ALICE })
      assert.deepEqual([await stateOf(id), await isActive()], ['queued', true])
      lms.release()
      await until('the late call', async () => (await isActive()) === false || undefined)
      await until('the enrollment', async () => ((await stateOf(id)) === 'enrolled' && (await isActive())) || undefined)
    })
  }
})
