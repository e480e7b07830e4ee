import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { onMariaDb } from '../../mariadb.ts'
import { until } from '../../service/process.ts'
import { BULK, sell, startHoldingLms, startLms } from '../../service/serving.ts'
import { inspect, replicaNames, startReplica, untilReady } from './serving.ts'

const ALICE = 'alice@example.com'
/** On a busy machine, a replica that lives may be silent for the second after which it counts as dead here. */
const PATIENT = { LERNITO_ANSWER_WITHIN_MS: '60000', DEAD_AFTER_MS: '4000' }
const HELD = { method: 'POST', path: BULK, delayMs: 1, times: 1 }
const PYTHON = 'course-v1:Lernito+PY101+2026'
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
/** The batches that were sent. A replica under a new name has no permits for bulk_enroll at first, and uses modify. */
const batchCalls = async ({ calls }: Pick<Awaited<ReturnType<typeof startLms>>, 'calls'>): Promise<number> =>
  (await calls())
    .filter(({ method, path }) => method === 'POST' && [BULK, MODIFY].includes(path))
    .reduce((n, { count }) => n + count, 0)
const ENROLLED = { email: ALICE, course: DEMO, mode: 'audit', active: true }

await onMariaDb('several replicas on one database', (server) => {
  describe('several replicas on one database', { concurrency: 2 }, () => {
    test('another replica enrolls what a killed replica accepted within 3 s', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startHoldingLms(t)
      await lms.faults([{ ...HELD, drop: 'before' }])
      const env = { LERNITO_LMS_CALLS_PER_MINUTE: '0' } // the call budget of a new replica is empty at first
      const first = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      const second = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      const answer = sell({ url: first.url, email: ALICE })
      await lms.arrived
      first.child.kill('SIGKILL')
      const killed = performance.now()
      assert.equal(await answer, null)
      await second.logged(({ event }) => event === 'enrolled')
      const ms = performance.now() - killed
      t.diagnostic(`claimed by another replica, enrolled and settled after ${Math.round(ms)} ms`)
      assert.ok(ms < 3000, `it took ${ms} ms`)
      const { enrollments } = await lms.state()
      assert.deepEqual(
        enrollments.filter(({ email }) => email === ALICE),
        [ENROLLED],
      )
      const [delivery] = await inspect(databaseUrl)
      assert.deepEqual(delivery?.happened, ['received', 'enrolled'])
    })

    test('the claimed deliveries of a stopped replica go to another one at once', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startHoldingLms(t)
      const first = await startReplica({ t, databaseUrl, lmsUrl: 'http://127.0.0.1:9', env: PATIENT })
      const second = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env: PATIENT })
      const answer = sell({ url: first.url, email: ALICE })
      await until('the delivery', async () => (await inspect(databaseUrl))[0])
      first.child.kill('SIGTERM')
      assert.equal((await first.ended).code, 0)
      await answer
      await second.logged(({ event }) => event === 'enrolled')
      assert.ok(!second.log().some(({ msg }) => msg.startsWith('a replica fell silent')))
    })

    test('the other replicas share what a dead one leaves, so that each has work', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t, { bulk: false, modify: false })
      await lms.faults([{ method: 'POST', path: '/api/enrollment/v1/enrollment_allowed/', delayMs: 20 }])
      const env = { LERNITO_ANSWER_WITHIN_MS: '0', LERNITO_LMS_CALLS_PER_MINUTE: '0' }
      const dying = await startReplica({ t, databaseUrl, lmsUrl: 'http://127.0.0.1:9', env })
      const others = await Promise.all([1, 2].map(() => startReplica({ t, databaseUrl, lmsUrl: lms.url, env })))
      await Promise.all(Array.from({ length: 150 }, (_, i) => sell({ url: dying.url, email: `buyer${i}@example.com` })))
      dying.child.kill('SIGKILL')
      const done = (): number[] => others.map(({ log }) => log().filter(({ event }) => event === 'pre_enrolled').length)
      await until('all of them', () => done().reduce((sum, count) => sum + count, 0) === 150 || undefined)
      t.diagnostic(`enrolled by the one and the other: ${done().join(' and ')}`)
      assert.ok(Math.min(...done()) >= 40, done().join(' and '))
    })

    test('a replica that was pruned during a pause does no harm after it', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startHoldingLms(t)
      await lms.faults([HELD])
      const paused = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env: PATIENT })
      const other = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env: PATIENT })
      const answer = sell({ url: paused.url, email: ALICE })
      await lms.arrived
      paused.child.kill('SIGSTOP')
      await other.logged(({ event }) => event === 'enrolled')
      lms.release() // the answer that the paused replica reads when it continues
      paused.child.kill('SIGCONT')
      assert.equal((await answer)?.status, 200)
      // After a long pause, the database has closed the connections of the paused replica.
      await untilReady(paused)
      assert.equal((await sell({ url: paused.url, email: 'bob@example.com' }))?.status, 200)
      const rows = await inspect(databaseUrl)
      assert.deepEqual(
        rows.map(({ email, state, happened }) => [email, state, happened]),
        [
          [ALICE, 'enrolled', ['received', 'enrolled']],
          ['bob@example.com', 'enrolled', ['received', 'enrolled']],
        ],
      )
      const settled = paused.log().filter(({ event, delivery }) => event === 'enrolled' && delivery === rows[0]?.id)
      assert.deepEqual(settled, [])
      assert.deepEqual(
        paused.log().filter(({ level, msg }) => level === 'error' && !msg.startsWith('database unavailable')),
        [],
      )
    })

    test('after a pause, a replica makes no LMS call for deliveries that others have claimed', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startHoldingLms(t)
      await lms.faults([HELD])
      const env = { ...PATIENT, LERNITO_LMS_CONCURRENCY: '1' }
      const paused = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      const other = await startReplica({ t, databaseUrl, lmsUrl: lms.url, env })
      const held = sell({ url: paused.url, email: ALICE })
      await lms.arrived
      const claimed = sell({ url: paused.url, email: 'bob@example.com', courseIds: [PYTHON] })
      await until('the second delivery', async () => (await inspect(databaseUrl))[1])
      paused.child.kill('SIGSTOP')
      await until('the other one’s results', () => {
        const done = other.log().filter(({ event }) => event === 'enrolled')
        return done.length === 2 || undefined
      })
      const [before] = await replicaNames(databaseUrl)
      assert.ok(before)
      paused.child.kill('SIGCONT')
      await until(
        'the new name of the paused replica',
        async () => (await replicaNames(databaseUrl)).length === 2 || undefined,
      )
      const calls = await batchCalls(lms)
      lms.release()
      assert.equal((await held)?.status, 200)
      assert.equal((await claimed)?.status, 200)
      // What the paused replica asked the database before its pause may fail only now. It then refuses a sale until its
      // next heartbeat, also one that comes right after it was ready, and the shop repeats the sale.
      const sold = await until('an answer other than 503', async () => {
        const answer = await sell({ url: paused.url, email: 'carol@example.com' })
        return answer?.status === 503 ? undefined : answer
      })
      assert.equal(sold?.status, 200)
      assert.equal((await batchCalls(lms)) - calls, 2, 'the held call, and the one for carol')
    })

    test('the same sale posted to two replicas at once is one delivery, and both senders get its answer', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t)
      const env = { ...PATIENT, LERNITO_LMS_CALLS_PER_MINUTE: '0' } // the rule is about the answers, not about their time
      const replicas = await Promise.all([1, 2].map(() => startReplica({ t, databaseUrl, lmsUrl: lms.url, env })))
      const emails = Array.from({ length: 25 }, (_, i) => `buyer${i}@example.com`)
      const answers = await Promise.all(
        emails.map((email) => Promise.all(replicas.map(({ url }) => sell({ url, email })))),
      )
      for (const pair of answers) {
        assert.deepEqual(
          pair.map((answer) => answer?.status),
          [200, 200],
        )
        assert.equal(new Set(pair.map((answer) => answer?.headers['x-lernito-delivery'])).size, 1)
      }
      const rows = await inspect(databaseUrl)
      assert.equal(rows.length, emails.length)
      for (const { happened } of rows) {
        assert.equal(happened.filter((kind) => kind === 'received').length, 1)
        assert.equal(happened.filter((kind) => kind === 'repeated').length, 1)
      }
    })

    test('four replicas that start at the same time on an empty database all migrate it', async (t) => {
      const { url: databaseUrl } = await server.newDatabase()
      const replicas = await Promise.all(
        [1, 2, 3, 4].map(() =>
          startReplica({ t, databaseUrl, lmsUrl: 'http://127.0.0.1:9', env: { DEAD_AFTER_MS: '20000' } }),
        ),
      )
      for (const { log } of replicas) {
        assert.deepEqual(
          log().filter(({ level }) => level === 'error' || level === 'warn'),
          [],
        )
      }
    })
  })
})
