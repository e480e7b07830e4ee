import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'

const HONOR = 'course-v1:Lernito+Honor+2026' // honor and verified
const PYTHON = 'course-v1:Lernito+PY101+2026' // audit
const ENROLL = '/api/enrollment/v1/enrollment'
const MODES = `${HONOR}=verified,${PYTHON}=verified`
const ACTIVE = 'erin@example.com'
const row = (email: string, course: string, mode: string, active: boolean) => ({ email, course, mode, active })
const rowsIn = async ({ lms }: Product, course: string) =>
  (await lms.state()).enrollments.filter((one) => one.course === course)

test('a course that lacks the mode is told of, also if another course of the sale is enrolled by a later attempt only', async (t) => {
  const clock = { ahead: 0 }
  const now = () => Date.now() + clock.ahead
  const product = await startProduct({ lms: { bulk: false, modify: false }, env: { LERNITO_COURSE_MODE: MODES }, now })
  t.after(() => product.stop())
  await product.lms.faults([{ method: 'POST', path: ENROLL, naming: DEMO, status: 500, times: 1 }])
  assert.equal((await product.sell({ email: ACTIVE, courseIds: [PYTHON, DEMO] })).status, 400)
  const { event, detail } = await until('the second attempt', async () => {
    clock.ahead += 1_000
    return product.log.find((line) => line.event === 'enrolled' || line.event === 'needs_attention')
  })
  assert.equal(event, 'needs_attention', String(detail))
  assert.deepEqual(await rowsIn(product, DEMO), [row(ACTIVE, DEMO, 'audit', true)])
})
