import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { RETRY_SCHEDULE_MS } from '../../../src/queue/retry-schedule.ts'
import { DEMO } from '../../harness.ts'
import { withdrawalsShown } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { UNENROLL } from '../../service/serving.ts'
import { ended, startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ALLOWANCES = '/api/enrollment/v1/enrollment_allowed/'
const ALICE = 'alice@example.com'
const product = await startWithOperations()
const { lms, sold, show, kinds, operations } = product
after(() => product.stopAll())

/** The next attempt is due now, and the `failures`th that fails. */
const attemptNow = (failures: number) =>
  product.context.database.db
    .updateTable('delivery_lines')
    .set({ withdrawal_at: 0, withdrawal_attempts: failures - 1 })
    .where('withdrawal_state', '=', 'open')
    .execute()

test('a course that an earlier attempt took away stays in the result if the next one finds nothing there', async () => {
  const id = await sold('bob@example.com', [DEMO, PYTHON])
  await lms.faults([{ path: UNENROLL, naming: PYTHON, status: 502, times: 1 }])
  await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  await until('a failed attempt', async () => ((await withdrawalsShown(operations, id))[0]?.result ? true : undefined))
  await attemptNow(1)
  const { courses, message } = (await ended(product, id)).result ?? {}
  assert.deepEqual([courses?.[DEMO]?.kind, courses?.[PYTHON]?.kind, message], ['unenrolled', 'unenrolled', ''])
})

test('a course that an earlier attempt took away stays in the result if the last attempt fails', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  await lms.faults([{ path: UNENROLL, naming: PYTHON, status: 502, times: 1 }])
  await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  await until('a failed attempt', async () => ((await withdrawalsShown(operations, id))[0]?.result ? true : undefined))
  const [first] = await withdrawalsShown(operations, id)
  assert.equal(first?.result?.courses[DEMO]?.kind, 'unenrolled')

  await lms.faults([{ method: 'GET', path: ALLOWANCES, status: 500, body: 'no', times: 1 }])
  await attemptNow(RETRY_SCHEDULE_MS.length + 1)
  const { result } = await ended(product, id)
  const active = (await lms.state()).enrollments.filter((row) => row.email === ALICE && row.active)
  assert.deepEqual(
    active.map(({ course }) => course),
    [PYTHON],
  )
  assert.match(result?.message ?? '', /retries exhausted/)
  assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
  assert.deepEqual((await show(id)).outcome?.courses, { [PYTHON]: 'enrolled' })
  assert.ok((await kinds(id)).includes('withdrawn'), 'the shop is told of the course that is gone')
})
