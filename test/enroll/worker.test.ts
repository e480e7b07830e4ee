import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { exchange, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'

const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const CALL_MS = 50

test('deliveries that nobody waits for get one call at a time, even if more are possible', async (t) => {
  const courses = Array.from({ length: 8 }, (_, i) => ({ id: `course-v1:Lernito+C${i}+2026`, name: `Course ${i}` }))
  const calls = { now: 0, most: 0 }
  const sleep = async (ms: number): Promise<void> => {
    if (ms !== CALL_MS) return
    calls.now++
    calls.most = Math.max(calls.most, calls.now)
    await delay(ms)
    calls.now--
  }
  const product = await startProduct({
    lms: { sleep, world: { ...defaultWorld, courses: [...defaultWorld.courses, ...courses] } },
    env: { LERNITO_ANSWER_WITHIN_MS: '0', LERNITO_LMS_CONCURRENCY: '4' },
  })
  t.after(() => product.stop())
  await product.lms.faults([{ method: 'POST', path: BULK, delayMs: CALL_MS }])
  await Promise.all(courses.map(({ id }, i) => product.sell({ email: `p${i}@example.com`, courseIds: [id] })))
  await until('all calls', async () => ((await product.lms.state()).allowances.length === 8 ? true : undefined))
  assert.equal(calls.most, 1)
})

test('the permit of a call that could not be made is released', async (t) => {
  // Its bucket has room for 5.45 permits, begins empty, and gets one every four seconds.
  const env = { LERNITO_LMS_CALLS_PER_MINUTE: '20', LERNITO_ANSWER_WITHIN_MS: '8000' }
  const product = await startProduct({ env })
  t.after(() => product.stop())
  await product.lms.faults([{ path: '/api/user/v1/accounts/search_emails', status: 503 }])
  assert.equal((await product.sell({ email: 'new@example.com' })).status, 500)
  const { text } = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
  const used = Number(/^lernito_call_budget_used_ratio (.*)$/m.exec(text)?.[1])
  assert.ok(used <= 0.82, `${used}`)
})

test('a delivery with an unexpected error at its start is retried, and delays no other of the same person', async (t) => {
  let broken = true
  const random = (): number => {
    if (broken) throw new Error('no chance')
    return 0.5
  }
  const product = await startProduct({ random, env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
  t.after(() => product.stop())
  await product.lms.faults([{ method: 'GET', path: '/api/courses/v1/courses/{id}', status: 500, times: 1 }])
  await product.sell({ email: 'first@example.com' })
  const failed = (): true | undefined =>
    product.log.some(({ msg }) => /unexpected error/.test(String(msg))) || undefined
  await until('the error', failed)
  broken = false
  await product.sell({ email: 'first@example.com', name: 'Again' })
  const all = async () => product.log.filter(({ event }) => event === 'pre_enrolled').length === 2 || undefined
  await until('both sales', all)
})
