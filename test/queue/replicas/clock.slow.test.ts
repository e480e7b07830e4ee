import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openDatabase } from '../../../src/database/database.ts'
import { onMariaDb } from '../../mariadb.ts'
import { until } from '../../service/process.ts'
import { sell, startLms } from '../../service/serving.ts'
import { startReplica } from './serving.ts'

const HOUR_MS = 3_600_000
const ahead = (ms: number) => ({ TEST_CLOCK_AHEAD_MS: String(ms), LERNITO_ANSWER_WITHIN_MS: '0' })
const ALICE = 'alice@example.com'

await onMariaDb('a replica whose clock is ahead of the database’s', (server) => {
  describe('a replica whose clock is ahead of the database’s', { concurrency: 2 }, () => {
    test('by 100 days deletes only what is too old by the database’s clock', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t)
      const right = await startReplica({ t, databaseUrl, lmsUrl: lms.url })
      for (const email of ['dave@example.com', ALICE])
        assert.equal((await sell({ url: right.url, email }))?.status, 200)
      const { db, close } = openDatabase({ url: databaseUrl, serve: false })
      t.after(close)
      await db.updateTable('deliveries').set({ active_at: 1 }).where('email', '=', 'dave@example.com').execute()
      const env = { ...ahead(100 * 24 * HOUR_MS), RETENTION_MS: '200' }
      const wrong = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      await wrong.logged(({ msg }) => msg.startsWith('old deliveries deleted'))
      const left = await db.selectFrom('deliveries').select('email').execute()
      assert.deepEqual(
        left.map(({ email }) => email),
        [ALICE],
      )
    })

    test('by an hour attempts a repeat at once, and its ids sort among the others', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t)
      await lms.faults([{ method: 'POST', status: 500 }])
      const env = { LERNITO_ANSWER_WITHIN_MS: '0', LERNITO_LMS_CALLS_PER_MINUTE: '0' }
      const right = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      const wrong = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env: { ...env, ...ahead(HOUR_MS) } })
      assert.equal((await sell({ url: right.url, email: ALICE }))?.status, 202)
      const { db, close } = openDatabase({ url: databaseUrl, serve: false })
      t.after(close)
      const rowOf = () => db.selectFrom('deliveries').selectAll().executeTakeFirstOrThrow()
      await until('a retry', async () => ((await rowOf()).attempts > 0 ? true : undefined))
      right.child.kill('SIGTERM') // else its own retry may come first
      await right.ended
      await lms.noFaults()
      assert.equal((await sell({ url: wrong.url, email: ALICE }))?.status, 202)
      await wrong.logged(({ event }) => event === 'enrolled')
      const { url } = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      await sell({ url, email: 'bob@example.com' })
      const times = await db.selectFrom('deliveries').select(['received_at', 'active_at']).execute()
      for (const { received_at, active_at } of times) {
        assert.ok(Math.max(received_at, active_at) < Date.now() + HOUR_MS / 2)
      }
      const events = await db.selectFrom('events').select(['id', 'at']).orderBy('id').execute()
      const inOrder = events.map(({ at }) => at)
      assert.deepEqual(
        inOrder,
        inOrder.toSorted((a, b) => a - b),
      )
    })
  })
})
