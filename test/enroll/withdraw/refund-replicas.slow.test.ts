import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { DEMO, payload } from '../../harness.ts'
import { withdrawalsIn } from '../../lines.ts'
import { onMariaDb } from '../../mariadb.ts'
import { startReplica } from '../../queue/replicas/serving.ts'
import { until } from '../../service/process.ts'
import { sell, startHoldingLms, UNENROLL } from '../../service/serving.ts'
import { post, refund, standard } from './refunding.ts'
import { operationsOn } from './withdrawing.ts'

const ALICE = 'alice@example.com'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const ENV = { LERNITO_LMS_CALLS_PER_MINUTE: '0', LERNITO_REFUNDS: 'on' }

await onMariaDb('refunds at several replicas', (server) => {
  /** Replicas that a busy machine doesn't make late, or dead for the others. */
  const PATIENT = { LERNITO_ANSWER_WITHIN_MS: '60000', DEAD_AFTER_MS: '5000' }
  const setUp = async (t: TestContext, env: Record<string, string> = PATIENT) => {
    const { url: databaseUrl } = await server.newDatabase()
    const lms = await startHoldingLms(t)
    const start = () => startReplica({ t, databaseUrl, lmsUrl: lms.url, env: { ...ENV, ...env } })
    const [first, second] = [await start(), await start()]
    const { context, close } = operationsOn(databaseUrl)
    t.after(close)
    const { db } = context.database
    return {
      lms,
      first,
      second,
      active: async (email = ALICE) =>
        (await lms.state()).enrollments.filter((row) => row.email === email && row.active).map(({ course }) => course),
      orders: () => withdrawalsIn(db),
      deliveries: () => db.selectFrom('deliveries').select(['id', 'state', 'source']).execute(),
    }
  }

  describe('refunds with two replicas on one database', { concurrency: 2 }, () => {
    test('of two equal refunds at once, only one is stored, and both are answered 200', async (t) => {
      const { first, second, active, orders } = await setUp(t)
      for (const id of [undefined, 'msg_refund']) {
        await sell({ url: first.url, email: ALICE, courseIds: [DEMO, PYTHON] })
        const before = (await orders()).length
        const answers = await Promise.all(
          [first, second].map(({ url }) =>
            refund({ url, email: ALICE, courseIds: [PYTHON], ...(id === undefined ? {} : { id }) }),
          ),
        )
        assert.deepEqual(
          answers.map(({ status }) => status),
          [200, 200],
        )
        assert.deepEqual([(await orders()).length, await active()], [before + 1, [DEMO]])
      }
    })

    test('one request at both paths at once is a sale or a refund, and never both', async (t) => {
      const { first, second, active, deliveries } = await setUp(t)
      for (let n = 0; n < 8; n++) {
        const email = `buyer${n}@example.com`
        const body = payload({ email })
        const headers = standard(body, `msg_${n}`)
        const [sale, refunded] = await Promise.all([
          post({ url: first.url, path: 'webhook', body, headers }),
          post({ url: second.url, path: 'refund', body, headers }),
        ])
        const isSold = sale.status === 200
        assert.deepEqual([sale.status, refunded.status], isSold ? [200, 400] : [400, 404])
        assert.equal((await deliveries()).length > 0 || !isSold, true)
        if (!isSold) assert.deepEqual(await active(email), [])
      }
    })

    test('a replica that is killed in a refund is replaced, and the rest of the sale is enrolled', async (t) => {
      const { lms, first, second, active, deliveries } = await setUp(t, { LERNITO_ANSWER_WITHIN_MS: '1000' })
      await lms.faults([{ method: 'POST', path: '/api/bulk_enroll/v1/bulk_enroll', delayMs: 1, times: 1 }])
      const answered = sell({ url: first.url, email: ALICE, courseIds: [DEMO, PYTHON] })
      await lms.arrived
      const { status } = await refund({ url: second.url, email: ALICE })
      assert.equal(status, 202)
      first.child.kill('SIGKILL')
      lms.release()
      await answered
      await until('the end', async () => {
        const states = (await deliveries()).map(({ state }) => state)
        return states.join() === 'enrolled' || undefined
      })
      await until('the withdrawal', async () => (await active()).join() === PYTHON || undefined)
    })

    test('a refund on one replica stops an attempt on the other', async (t) => {
      const { lms, first, second, active } = await setUp(t)
      await sell({ url: first.url, email: ALICE })
      await lms.faults([{ method: 'POST', path: UNENROLL, delayMs: 1, times: 1 }])
      const refunded = refund({ url: second.url, email: ALICE })
      await lms.arrived
      lms.release()
      assert.equal((await refunded).status, 200)
      assert.deepEqual(await active(), [])
    })
  })
})
