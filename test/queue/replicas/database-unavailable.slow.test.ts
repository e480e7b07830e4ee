import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { State } from '../../harness.ts'
import { type MariaDb, NO_MARIADB, PASSWORD, startMariaDb } from '../../mariadb.ts'
import { until } from '../../service/process.ts'
import { sell, startLms } from '../../service/serving.ts'
import { inspect, readyz, type Serving, startReplica, untilNotReady, untilReady } from './serving.ts'

/** A statement waits for 5 s, and a shop for 15. */
const SOON_MS = 8000

async function ownServer(t: TestContext): Promise<MariaDb> {
  const server = await startMariaDb()
  t.after(server.remove)
  return server
}

/** Posts a sale and checks that it is refused with 503; resolves to the time that took, ms. */
async function refused({ url }: Serving, email: string): Promise<number> {
  const began = performance.now()
  const answer = await sell({ url, email })
  assert.equal(answer?.status, 503)
  assert.match(answer.text, /^{"success":false,"message":"The delivery could not be stored/)
  assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/)
  return performance.now() - began
}

const errorsOf = ({ log }: Serving): unknown[] =>
  log().flatMap(({ level, reason }) => (level === 'error' && reason !== undefined ? [reason] : []))

const buyers = ({ enrollments, allowances }: State): Set<string> =>
  new Set([...enrollments, ...allowances].map(({ email }) => email.toLowerCase()))

if (!NO_MARIADB) {
  describe('while the database is unavailable', { concurrency: 2 }, () => {
    test('a service that starts before its database exists waits for it', async (t) => {
      const server = await ownServer(t)
      const { name, url: databaseUrl } = server.newName()
      const lms = await startLms(t)
      const replica = await startReplica({ t, databaseUrl, lmsUrl: lms.url, ready: false })
      await until('the reason', async () => (await readyz(replica)).reason?.includes('Unknown database') || undefined)
      assert.equal((await readyz(replica)).status, 503)
      assert.ok((await refused(replica, 'alice@example.com')) < 1000)
      await server.administer(`create database ${name}`)
      await untilReady(replica)
      assert.equal((await sell({ url: replica.url, email: 'alice@example.com' }))?.status, 200)
    })

    test('a service that starts before the server and the user waits for them, and never shows the password', async (t) => {
      const server = await ownServer(t)
      const { url: databaseUrl } = await server.newDatabase()
      await server.administer('rename user lernito to later')
      await server.stop()
      const lms = await startLms(t)
      const replica = await startReplica({ t, databaseUrl, lmsUrl: lms.url, ready: false })
      assert.match(await untilNotReady(replica), /^The database lernito_\d+ at 127\.0\.0\.1:\d+ /)
      await until('the reason', async () => (await readyz(replica)).reason?.includes('ECONNREFUSED') || undefined)
      await server.start()
      await until('the reason', async () => (await readyz(replica)).reason?.includes('Access denied') || undefined)
      await delay(2500) // several attempts
      await server.administer('rename user later to lernito')
      await untilReady(replica)
      assert.equal((await sell({ url: replica.url, email: 'alice@example.com' }))?.status, 200)
      assert.equal(errorsOf(replica).length, 2, 'a line when the reason changes, not one for each attempt')
      replica.child.kill('SIGTERM')
      const { stdout, stderr, code } = await replica.ended
      assert.equal(code, 0)
      for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) assert.ok(!`${stdout}${stderr}`.includes(secret))
    })

    test('when the server hangs, the answer is a 503, first after a short wait, then at once, until the server is back', async (t) => {
      const server = await ownServer(t)
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t)
      const replica = await startReplica({ t, databaseUrl, lmsUrl: lms.url })
      assert.equal((await sell({ url: replica.url, email: 'alice@example.com' }))?.status, 200)
      server.signal('SIGSTOP')
      const first = await refused(replica, 'bob@example.com')
      const next = await refused(replica, 'bob@example.com')
      t.diagnostic(`refused after ${Math.round(first)} ms, then after ${Math.round(next)} ms`)
      assert.ok(first < SOON_MS && next < 2000, `${first} and ${next} ms`)
      assert.match(String(errorsOf(replica)[0]), /can't be used: (no answer within 5 s|connect ETIMEDOUT)\./)
      server.signal('SIGCONT')
      await untilReady(replica)
      assert.equal((await sell({ url: replica.url, email: 'bob@example.com' }))?.status, 200)
      const unexpected = replica.log().filter(({ msg }) => msg.startsWith('unexpected error'))
      assert.deepEqual(unexpected, [], 'the background loops do not log it again and again')
    })

    test('SIGTERM ends the service within 8 s', async (t) => {
      const server = await ownServer(t)
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t)
      const [gone, silent] = [
        await startReplica({ t, databaseUrl, lmsUrl: lms.url }),
        await startReplica({ t, databaseUrl, lmsUrl: lms.url }),
      ]
      server.signal('SIGSTOP')
      const stopped = performance.now()
      silent.child.kill('SIGTERM') // before it notices
      assert.equal((await silent.ended).code, 0)
      assert.ok(performance.now() - stopped < 8000)
      await server.stop('SIGKILL')
      await untilNotReady(gone)
      const began = performance.now()
      gone.child.kill('SIGTERM')
      assert.equal((await gone.ended).code, 0)
      assert.ok(performance.now() - began < 8000)
    })

    test('after a kill and restart of the server under load, all accepted sales are enrolled', {
      timeout: 240_000,
    }, async (t) => {
      const server = await ownServer(t)
      const { url: databaseUrl } = await server.newDatabase()
      const lms = await startLms(t)
      const env = { LERNITO_ANSWER_WITHIN_MS: '0', LERNITO_LMS_CALLS_PER_MINUTE: '0', DEAD_AFTER_MS: '3000' }
      const replicas = await Promise.all([1, 2, 3].map(() => startReplica({ t, databaseUrl, lmsUrl: lms.url, env })))
      let sold = 0
      const accepted: string[] = []
      const statuses = new Map<number, number>()
      let running = true
      const sellers = replicas.flatMap(({ url }) =>
        [1, 2, 3, 4].map(async () => {
          while (running) {
            const email = `buyer${sold++}@example.com`
            const status = (await sell({ url, email }))?.status ?? 0
            statuses.set(status, (statuses.get(status) ?? 0) + 1)
            if (status === 202) accepted.push(email)
            await delay(status === 503 ? 50 : 5)
          }
        }),
      )
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        await delay(700)
        await server.stop(signal)
        await Promise.all(replicas.map(untilNotReady))
        await delay(3500) // longer than the silence after which a replica is pruned
        await server.start()
        await Promise.all(replicas.map(untilReady))
      }
      await delay(500)
      running = false
      await Promise.all(sellers)
      const rows = await until('the end of the work', async () => {
        const rows = await inspect(databaseUrl)
        return rows.every(({ state }) => state === 'pre_enrolled') ? rows : undefined
      })
      const enrolled = buyers(await lms.state())
      t.diagnostic(
        `${sold} sales: ${JSON.stringify([...statuses])}; ${accepted.length} accepted, ${rows.length} stored`,
      )
      assert.ok((statuses.get(202) ?? 0) > 0 && (statuses.get(503) ?? 0) > 0)
      assert.deepEqual(
        accepted.filter((email) => !enrolled.has(email)),
        [],
      )
      for (const { log } of replicas) assert.ok(!log().some(({ msg }) => msg.startsWith('a replica fell silent')))
      for (const { email, happened } of rows) {
        // The outage stops attempts between two calls. Each of these is begun again, and costs none.
        const results = happened.filter((kind) => kind !== 'repeated' && kind !== 'retry_scheduled')
        assert.deepEqual(results.sort(), ['pre_enrolled', 'received'], email ?? '')
      }
    })
  })
}
