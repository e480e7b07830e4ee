import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { withdrawAllowances } from '../../src/enroll/withdraw/withdraw-person.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { forget } from '../../src/operators/changes/forget.ts'
import { resultsOf } from '../../src/sale/line.ts'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { withFactsOf } from '../lines.ts'
import { until } from '../service/process.ts'
import { BULK, holdCalls } from '../service/serving.ts'
import { lmsAt } from './lms-at.ts'
import { operationsOn } from './withdraw/withdrawing.ts'

const ALICE = 'alice@example.com'
const NOBODY = 'nobody.yet@example.com'
const ENROLLMENT = '/api/enrollment/v1/enrollment/{username},{course_id}'
const ALLOWED = '/api/enrollment/v1/enrollment_allowed/'
const COURSES = [DEMO, 'course-v1:CodeTherapy+CS101011+2025_T1', 'course-v1:Lernito+PY101+2026', 'edX/Old/2014']
const [FIRST = '', SECOND = ''] = [...COURSES].sort() // the order in which they are called for
const by = 'an operator'

/** A product whose delayed LMS calls hang until `release`, with what an operator uses beside it. */
async function start({ batch }: { batch: boolean }) {
  const { sleep, arrived, release } = holdCalls()
  const product = await startProduct({
    lms: { bulk: batch, modify: false, sleep },
    env: { LERNITO_ANSWER_WITHIN_MS: '500' },
  })
  const { context, operations, close } = operationsOn(`sqlite:${product.folder}/lernito.db`)
  after(async () => {
    release()
    await close()
    await product.stop()
  })
  const idOf = async (email: string): Promise<string> =>
    until('the delivery', async () => (await operations.list({ filter: { email } })).items[0]?.id)
  const settled = (id: string, state: string) =>
    until(state, async () => {
      const shown = await operations.show(id)
      return shown?.state === state ? withFactsOf(shown) : undefined
    })
  return { ...product, context, operations, idOf, settled, arrived: arrived(), release }
}

const enrollmentsOf = async ({ state }: Pick<Product['lms'], 'state'>) =>
  (await state()).enrollments.filter(({ email }) => email === ALICE)

test('a buyer who is unenrolled while the answer of their call is lost stays unenrolled until an operator replays', async () => {
  const { lms, sell, operations, idOf, settled, arrived, release } = await start({ batch: true })
  await lms.faults([
    { path: BULK, method: 'POST', drop: 'after', times: 1 },
    { path: ENROLLMENT, method: 'GET', delayMs: 1, times: 1 },
  ])
  const sold = sell({ email: ALICE })
  await arrived // the lost call has enrolled alice, and her state is about to be read
  await lms.seed({ enrollments: [{ email: ALICE, course: DEMO, mode: 'audit', active: false }] })
  release()
  await sold
  const id = await idOf(ALICE)
  const { outcome } = await settled(id, 'needs_attention')
  assert.deepEqual(outcome?.reason, { code: 'person.unenrolled', subject: DEMO })
  assert.deepEqual(await enrollmentsOf(lms), [{ email: ALICE, course: DEMO, mode: 'audit', active: false }])
  await operations.replay({ ids: [id], by })
  await settled(id, 'enrolled')
  assert.equal((await enrollmentsOf(lms))[0]?.active, true)
})

test('a delivery that is marked as handled in the middle gets no further course, and shows those that it got', async () => {
  const { lms, sell, operations, idOf, arrived, release } = await start({ batch: false })
  await lms.faults([{ path: ENROLLMENT, method: 'GET', naming: SECOND, delayMs: 1, times: 1 }])
  void sell({ email: ALICE, courseIds: COURSES })
  await arrived
  const id = await idOf(ALICE)
  const marked = operations.markHandled({ id, as: 'paid_back', note: 'refunded', by })
  await until('the mark', async () => ((await operations.show(id))?.state === 'handled' ? true : undefined))
  release()
  await marked
  assert.deepEqual(await enrollmentsOf(lms), [{ email: ALICE, course: FIRST, mode: 'audit', active: true }])
  assert.deepEqual(resultsOf((await operations.show(id))?.lines ?? []), { [FIRST]: 'enrolled' })
})

test('a person who is erased in the middle has no allowance afterwards, however long the call takes', async () => {
  const { lms, lmsUrl, sell, context, idOf, arrived, release } = await start({ batch: false })
  await lms.faults([{ path: ALLOWED, method: 'POST', delayMs: 1, times: 1 }])
  void sell({ email: NOBODY, courseIds: COURSES })
  await arrived
  await idOf(NOBODY)
  const forgotten = forget(context, { email: NOBODY, by })
  await until('the stop', async () => {
    const row = await context.database.db.selectFrom('deliveries').select('state').executeTakeFirst()
    return row?.state === 'handled' ? true : undefined
  })
  release()
  assert.equal((await forgotten).deliveries, 1)
  const client = lmsAt(lmsUrl)
  const acquire = () => unlimitedBudget().acquire(new AbortController().signal)
  await withdrawAllowances({ email: NOBODY, lms: client, acquire })
  await client.close()
  assert.deepEqual((await lms.state()).allowances, [])
})
