import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { onMariaDb } from '../../mariadb.ts'
import { startReplica } from '../../queue/replicas/serving.ts'
import { until } from '../../service/process.ts'
import { sell, startHoldingLms, UNENROLL } from '../../service/serving.ts'
import { ended, operationsOn } from './withdrawing.ts'

const ALICE = 'alice@example.com'
const ALLOWED = '/api/enrollment/v1/enrollment_allowed/'
const HELD = { method: 'POST', path: UNENROLL, delayMs: 1, times: 1 }
const ENV = { LERNITO_LMS_CALLS_PER_MINUTE: '0' }
const ORDER = { courses: null, paid: false, by: 'alice' }

await onMariaDb('withdrawals of several replicas', (server) => {
  const setUp = async (t: TestContext, replicas: number) => {
    const { url: databaseUrl } = await server.newDatabase()
    const lms = await startHoldingLms(t)
    const startAnother = () => startReplica({ t, databaseUrl, lmsUrl: lms.url, env: ENV })
    const first = await startAnother()
    for (let more = 1; more < replicas; more++) await startAnother()
    const { operations, close } = operationsOn(databaseUrl)
    t.after(close)
    const sold = async (email: string): Promise<string> =>
      String((await sell({ url: first.url, email }))?.headers['x-lernito-delivery'])
    return {
      lms,
      operations,
      first,
      startAnother,
      sold,
      stateOf: async (id: string) => (await operations.show(id))?.state,
      activeOf: async (email: string) =>
        (await lms.state()).enrollments.find((row) => row.email === email)?.active ?? false,
      deletions: async () =>
        (await lms.calls())
          .filter(({ method, path }) => method === 'DELETE' && path === ALLOWED)
          .reduce((sum, { count }) => sum + count, 0),
    }
  }

  describe('withdrawals with two replicas on one database', { concurrency: 2 }, () => {
    test('each order is carried out once, by whichever replica claims it', async (t) => {
      const { sold, operations, stateOf, deletions, lms } = await setUp(t, 2)
      const ids: string[] = []
      for (let n = 0; n < 12; n++) ids.push(await sold(`buyer${n}@example.com`))
      await lms.forgetCalls()
      for (const id of ids) await operations.withdraw({ id, ...ORDER })
      for (const id of ids) await ended({ operations }, id)
      assert.deepEqual(new Set(await Promise.all(ids.map(stateOf))), new Set(['withdrawn']))
      assert.equal(await deletions(), ids.length)
      assert.deepEqual((await lms.state()).allowances, [])
    })

    test('another replica ends what a killed one began', async (t) => {
      const { sold, operations, lms, first, startAnother, stateOf, activeOf } = await setUp(t, 1)
      const id = await sold(ALICE)
      await lms.faults([HELD])
      await operations.withdraw({ id, ...ORDER })
      await lms.arrived
      await startAnother()
      first.child.kill('SIGKILL')
      lms.release()
      await ended({ operations }, id)
      assert.deepEqual([await stateOf(id), await activeOf(ALICE)], ['withdrawn', false])
    })

    test('a replica that was paused in the call neither unenrolls a buyer who was enrolled again, nor stores anything', async (t) => {
      const { sold, operations, lms, first, stateOf, activeOf } = await setUp(t, 1)
      const id = await sold(ALICE)
      await lms.faults([{ ...HELD, drop: 'before' }])
      await operations.withdraw({ id, ...ORDER })
      await lms.arrived
      first.child.kill('SIGSTOP')
      await operations.replay({ ids: [id], by: 'alice' })
      lms.release()
      first.child.kill('SIGCONT')
      const last = (await operations.timeline(id)).findLast(({ kind }) => kind === 'withdrawal_ended')
      assert.match(last?.detail ?? '', /sent again or replayed/)
      await until('the enrollment', async () =>
        (await stateOf(id)) === 'enrolled' && (await activeOf(ALICE)) ? true : undefined,
      )
    })

    test('of two orders, and of two corrections, at once only one is stored', async (t) => {
      const { sold, operations } = await setUp(t, 1)
      const [withdrawn, corrected] = [await sold(ALICE), await sold('erin@example.com')]
      const orders = await Promise.all([1, 2, 3].map(() => operations.withdraw({ id: withdrawn, ...ORDER })))
      assert.deepEqual(orders.map(({ kind }) => kind).sort(), ['ordered', 'pending', 'pending'])
      const correct = (email: string) => operations.correct({ id: corrected, email, withdraw: null, by: 'alice' })
      const both = await Promise.all(['a@example.com', 'b@example.com'].map(correct))
      assert.deepEqual(both.map(({ kind }) => kind).sort(), ['already', 'corrected'])
    })
  })
})
