import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const FULL = 'course-v1:Lernito+Full+2026'
const PRO = 'course-v1:Lernito+Pro+2026'

const rowsOf = <Row extends { email: string }>(rows: readonly Row[], email: string): Omit<Row, 'email'>[] =>
  rows.filter((row) => row.email === email).map(({ email: _, ...row }) => row)

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const product: Product = await startProduct({ lms: apis })
    const { lms, sell } = product
    after(() => product.stop())
    beforeEach(() => lms.reset())

    test('a person with an account is enrolled in all courses, and one without is allowed', async () => {
      const known = await sell({ email: 'alice@example.com', courseIds: [DEMO, PYTHON] })
      assert.deepEqual(known.json, { success: true, message: 'User enrollment status verified for 2 course(s)' })
      const unknown = await sell({ email: 'new@example.com', courseIds: [DEMO, PYTHON] })
      assert.deepEqual(unknown.json, { success: true, message: 'Enrollment allowance verified for 2 course(s)' })
      const { enrollments, allowances } = await lms.state()
      assert.deepEqual(rowsOf(enrollments, 'alice@example.com'), [
        { course: DEMO, mode: 'audit', active: true },
        { course: PYTHON, mode: 'audit', active: true },
      ])
      assert.deepEqual(rowsOf(allowances, 'new@example.com'), [
        { course: DEMO, auto_enroll: true, used: false },
        { course: PYTHON, auto_enroll: true, used: false },
      ])
    })

    test('a person who has registered and not activated is enrolled, and no allowance is left', async () => {
      for (const time of ['the first time', 'a repeat']) {
        const answered = await sell({ email: 'bob@example.com' })
        assert.equal(answered.status, 200, time)
        const { enrollments, allowances } = await lms.state()
        assert.deepEqual(rowsOf(enrollments, 'bob@example.com'), [{ course: DEMO, mode: 'audit', active: true }], time)
        assert.deepEqual(rowsOf(allowances, 'bob@example.com'), [], time)
      }
    })

    test('a person who was unenrolled from a paid mode comes back in the free one', async () => {
      await lms.seed({ enrollments: [{ email: 'erin@example.com', course: HONOR, mode: 'verified', active: false }] })
      assert.equal((await sell({ email: 'erin@example.com', courseIds: [HONOR] })).status, 200)
      const { enrollments } = await lms.state()
      assert.deepEqual(rowsOf(enrollments, 'erin@example.com'), [{ course: HONOR, mode: 'honor', active: true }])
    })

    test('a person in a paid mode keeps it', async () => {
      await lms.seed({ enrollments: [{ email: 'grace@example.com', course: HONOR, mode: 'verified', active: true }] })
      assert.equal((await sell({ email: 'grace@example.com', courseIds: [HONOR] })).status, 200)
      const { enrollments } = await lms.state()
      assert.deepEqual(rowsOf(enrollments, 'grace@example.com'), [{ course: HONOR, mode: 'verified', active: true }])
    })

    test('an allowance that would not enroll is made again', async () => {
      const row = { email: 'new@example.com', course: DEMO, used: false }
      await lms.seed({ allowances: [{ ...row, auto_enroll: false }] })
      assert.equal((await sell({ email: 'new@example.com' })).status, 200)
      assert.deepEqual((await lms.state()).allowances, [{ ...row, auto_enroll: true }])
    })

    test('a retired address gets 400 and no allowance', async () => {
      const answered = await sell({ email: 'retired@example.com' })
      assert.equal(answered.status, 400)
      assert.deepEqual((await lms.state()).allowances, [])
    })

    test('an address that bulk_enroll would split is enrolled singly', async () => {
      const email = '"quoted"@example.com'
      assert.equal((await sell({ email })).status, 200)
      assert.deepEqual(rowsOf((await lms.state()).allowances, email), [
        { course: DEMO, auto_enroll: true, used: false },
      ])
    })

    test('a repeated sale enrolls a person who was unenrolled in between', async () => {
      await sell({ email: 'alice@example.com' })
      await lms.seed({ enrollments: [{ email: 'alice@example.com', course: DEMO, mode: 'audit', active: false }] })
      await sell({ email: 'alice@example.com' })
      const { enrollments } = await lms.state()
      assert.deepEqual(rowsOf(enrollments, 'alice@example.com'), [{ course: DEMO, mode: 'audit', active: true }])
    })

    test('an allowance becomes an enrollment when the person registers and activates', async () => {
      await sell({ email: 'later@example.com' })
      await lms.people({ email: 'later@example.com', username: 'later', active: false })
      assert.deepEqual(rowsOf((await lms.state()).enrollments, 'later@example.com'), [])
      await lms.activate('later@example.com')
      assert.deepEqual(rowsOf((await lms.state()).enrollments, 'later@example.com'), [
        { course: DEMO, mode: 'audit', active: true },
      ])
    })

    test('courses are checked in their order, and nobody is enrolled if one fails', async () => {
      const missing = await sell({
        email: 'alice@example.com',
        courseIds: [DEMO, 'course-v1:No+Such+Course', 'nonsense'],
      })
      assert.deepEqual(missing.json, { success: false, message: 'Course course-v1:No+Such+Course does not exist' })
      const malformed = await sell({ email: 'alice@example.com', courseIds: ['nonsense', 'course-v1:No+Such+Course'] })
      assert.deepEqual(malformed.json, { success: false, message: 'Invalid course key format: nonsense' })
      assert.deepEqual(rowsOf((await lms.state()).enrollments, 'alice@example.com'), [])
    })

    test('a course key in another letter case or with a branch is stored as the LMS spells it', async () => {
      const courseIds = [`${DEMO}+branch@draft-branch`, 'course-v1:edx+demox+demo_course']
      assert.equal((await sell({ email: 'new@example.com', courseIds })).status, 200)
      const { allowances } = await lms.state()
      assert.deepEqual(rowsOf(allowances, 'new@example.com'), [{ course: DEMO, auto_enroll: true, used: false }])
    })
  })
}

describe('without bulk_enroll, what the LMS refuses', async () => {
  const product: Product = await startProduct({ lms: { bulk: false, modify: false } })
  after(() => product.stop())

  for (const [what, course] of [
    ['a full course', FULL],
    ['a course with only a paid mode', PRO],
  ] as const) {
    test(`${what}: 400 with the LMS's message, and the delivery needs attention`, async () => {
      const answered = await product.sell({ email: 'alice@example.com', courseIds: [course] })
      assert.equal(answered.status, 400)
      assert.match(answered.text, /The LMS refused the enrollment: .+/)
      const line = product.log.find(
        (entry) => entry.delivery === answered.headers['x-lernito-delivery'] && entry.event === 'needs_attention',
      )
      assert.ok(line, 'the log says so')
    })
  }

  test('a refused course doesn’t keep the person out of the other courses', async () => {
    const answered = await product.sell({ email: 'erin@example.com', courseIds: [FULL, DEMO] })
    assert.equal(answered.status, 400)
    assert.deepEqual(rowsOf((await product.lms.state()).enrollments, 'erin@example.com'), [
      { course: DEMO, mode: 'audit', active: true },
    ])
  })

  test('a refused inactive person keeps the allowance that bulk_enroll made', async () => {
    const bulk = await startProduct()
    try {
      const refusal = { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: { message: 'no' } }
      await bulk.lms.faults([refusal])
      const answered = await bulk.sell({ email: 'bob@example.com' })
      assert.deepEqual(answered.json, { success: true, message: 'Enrollment allowance verified for 1 course(s)' })
      assert.deepEqual(rowsOf((await bulk.lms.state()).allowances, 'bob@example.com'), [
        { course: DEMO, auto_enroll: true, used: false },
      ])
    } finally {
      await bulk.stop()
    }
  })
})
