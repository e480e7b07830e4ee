import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { enrollInBatch } from '../../src/enroll/enroll-batch.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { DEMO, exchange, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { startSingly } from './singly.ts'
import { aWork } from './works.ts'

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

for (const { kind, lms } of LMS_KINDS) {
  test(`${kind}: a course that was deleted is sold from memory for at most 30 seconds`, async (t) => {
    let ahead = 0
    const product = await startProduct({ lms, now: () => Date.now() + ahead })
    t.after(() => product.stop())
    const gone = 'course-v1:Lernito+PY101+2026'
    assert.equal((await product.sell({ email: 'first@example.com', courseIds: [gone] })).status, 200)
    const left = { ...defaultWorld, courses: defaultWorld.courses.filter(({ id }) => id !== gone) }
    await product.lms.reset(left)
    ahead = 31_000
    const answered = await product.sell({ email: 'second@example.com', courseIds: [gone] })
    assert.deepEqual(answered.json, { success: false, message: `Course ${gone} does not exist` })
    assert.deepEqual((await product.lms.state()).allowances, [])
  })
}

test('no allowance is made for a course that the LMS lost while the sale waited for its call', async (t) => {
  const { lms, enroll, state } = await startSingly(t)
  assert.deepEqual((await enroll('new@example.com', { course: SOON })).result, {
    kind: 'reason',
    reason: { code: 'course.missing', subject: SOON },
  })
  const work = aWork({ email: 'new@example.com', courses: [DEMO, SOON] })
  await enrollInBatch({
    batch: { works: [work], courses: [DEMO, SOON] },
    route: { kind: 'bulk', permit: await unlimitedBudget().acquire(new AbortController().signal) },
    lms,
    waiting: [],
    newId: () => 'BATCH',
    breakers: createCourseBreakers({ now: () => 0, onChange: () => {} }),
    options: { emailStudents: false, modeOf: () => null },
    isUp: () => true,
    keepOurs: async (ours) => ours.works,
    mayLand: async () => false,
    acquire: () => unlimitedBudget().acquire(new AbortController().signal),
  })
  assert.deepEqual(work.reasons, [{ code: 'course.missing', subject: SOON }])
  assert.deepEqual([...work.done], [[DEMO, 'allowed']])
  assert.deepEqual(
    (await state()).allowances.map(({ course }) => course),
    [DEMO],
  )
})
