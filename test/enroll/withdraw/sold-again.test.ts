import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TIMING } from '../../../src/queue/replicas/timing.ts'
import { type Product, startProduct } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { holdCalls } from '../../service/serving.ts'
import { refund } from './refunding.ts'

const HONOR = 'course-v1:Lernito+Honor+2026' // honor and verified
const ACTIVE = 'erin@example.com'
const ENROLL = '/api/enrollment/v1/enrollment'
const ALLOWED = '/api/enrollment/v1/enrollment_allowed/'
const env = { LERNITO_COURSE_MODE: `${HONOR}=verified`, LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '2000' }
const row = (mode: string, active: boolean) => ({ email: ACTIVE, course: HONOR, mode, active })
const honorRow = async ({ state }: Pick<Product['lms'], 'state'>) =>
  (await state()).enrollments.filter(({ email, course }) => email === ACTIVE && course === HONOR)

test('a sale that comes again while its refund is in a call that unenrolls gives the paid mode anew', async (t) => {
  const hold = holdCalls()
  const { url, lms, sell, log, stop } = await startProduct({
    lms: { sleep: hold.sleep },
    env: { ...env, LERNITO_ANSWER_WITHIN_MS: '8000' },
  })
  t.after(() => {
    hold.release()
    return stop()
  })
  const sale = { email: ACTIVE, courseIds: [HONOR] }
  assert.equal((await sell(sale)).status, 200)
  await lms.faults([{ path: ENROLL, delayMs: 1, times: 1 }])
  const refunded = refund({ url, ...sale })
  await hold.arrived()
  const again = sell(sale)
  await until('the repeat', () => log.find(({ event }) => event === 'repeated'))
  hold.release()
  assert.deepEqual([(await refunded).status, (await again).status], [200, 200])
  assert.deepEqual(await honorRow(lms), [row('verified', true)])
})

test('a sale that comes again after a refund’s call got no answer gives the paid mode anew', async (t) => {
  const product = await startProduct({ env, timing: { ...TIMING, heartbeatMs: 100, landsMs: 500 } })
  const { url, lms, sell, log } = product
  t.after(() => product.stop())
  const sale = { email: ACTIVE, courseIds: [HONOR] }
  assert.equal((await sell(sale)).status, 200)
  await lms.faults([{ path: ENROLL, method: 'POST', drop: 'after', times: 1 }])
  assert.equal((await refund({ url, ...sale })).status, 202)
  await sell(sale)
  await until('the end', async () => log.filter(({ event }) => event === 'enrolled').length === 2 || undefined)
  assert.deepEqual(await honorRow(lms), [row('verified', true)])
})

for (const [how, fault] of Object.entries({
  'that has come to no call yet': { method: 'GET', path: ALLOWED, status: 500, body: 'no' },
  'that the LMS refused': { method: 'POST', path: ENROLL, status: 400, body: { message: 'no' } },
})) {
  test(`a sale that comes again after a refund ${how} does not give back a mode that was lost in the LMS`, async (t) => {
    const { url, lms, sell, log, stop } = await startProduct({ env })
    t.after(() => stop())
    const sale = { email: ACTIVE, courseIds: [HONOR] }
    assert.equal((await sell(sale)).status, 200)
    await lms.faults([fault])
    assert.notEqual((await refund({ url, ...sale })).status, 200)
    await lms.seed({ enrollments: [row('verified', false)] })
    await lms.noFaults()
    await sell(sale)
    await until('the end', async () => log.filter(({ event }) => event === 'enrolled').length === 2 || undefined)
    assert.deepEqual(await honorRow(lms), [row('honor', true)])
  })
}
