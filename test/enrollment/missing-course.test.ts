import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultWorld } from '../../src/sandbox/default-world.ts'
import { exchange, startProduct } from '../harness.ts'

const SOON = 'course-v1:Lernito+Soon+2026'
const CCX = 'ccx-v1:edX+DemoX+Demo_Course+ccx@1'
const withCourse = { ...defaultWorld, courses: [...defaultWorld.courses, { id: SOON, name: 'Soon' }] }

test('a sale right after its course is created is enrolled, and so is a repeat of one that was refused before', async (t) => {
  const product = await startProduct()
  t.after(() => product.stop())
  const sale = { email: 'alice@example.com', courseIds: [SOON] }
  assert.equal((await product.sell(sale)).status, 400)
  const body = JSON.stringify(withCourse)
  assert.equal((await exchange({ url: `${product.lmsUrl}/sandbox/reset`, body })).status, 200)
  assert.equal((await product.sell({ ...sale, email: 'erin@example.com' })).status, 200, 'another sale')
  assert.equal((await product.sell(sale)).status, 200, 'the same again')
})

test('many sales of a missing course cost the LMS only a few look-ups', async (t) => {
  const product = await startProduct()
  t.after(() => product.stop())
  await product.lms.forgetCalls()
  const began = performance.now()
  const sales = Array.from({ length: 100 }, (_, i) => product.sell({ email: `p${i}@example.com`, courseIds: [SOON] }))
  for (const { status } of await Promise.all(sales)) assert.equal(status, 400)
  const rests = Math.ceil((performance.now() - began) / 250)
  const calls = (await product.lms.calls()).filter(({ path }) => path.startsWith('/api/courses/'))
  const lookUps = calls.reduce((sum, { count }) => sum + count, 0)
  assert.ok(lookUps <= rests + 1, `${lookUps} look-ups in ${rests} rests`)
})

test('with CCX off in the LMS, a CCX key is a missing course, and its sale is not retried', async (t) => {
  const product = await startProduct()
  t.after(() => product.stop())
  const answered = await product.sell({ email: 'alice@example.com', courseIds: [CCX] })
  assert.deepEqual(answered.json, { success: false, message: `Course ${CCX} does not exist` })
  assert.equal(answered.status, 400)
})
