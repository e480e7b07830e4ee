import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { enrollSingly } from '../../src/enroll/enroll-singly.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { until } from '../service/process.ts'
import { addVerified, startSingly } from './singly.ts'
import { refund } from './withdraw/refunding.ts'

const HONOR = 'course-v1:Lernito+Honor+2026' // honor and verified
const PRO = 'course-v1:Lernito+Pro+2026' // professional only
const PYTHON = 'course-v1:Lernito+PY101+2026' // audit
const ENROLL = '/api/enrollment/v1/enrollment'
const MODES = `${HONOR}=verified, ${PRO}=professional,${PYTHON}=verified`
const [ACTIVE, INACTIVE, NEW] = ['erin@example.com', 'bob@example.com', 'new@example.com']
const row = (email: string, course: string, mode: string, active: boolean) => ({ email, course, mode, active })

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(`LERNITO_COURSE_MODE, at ${kind}`, async () => {
    const product: Product = await startProduct({
      lms: apis,
      env: { LERNITO_COURSE_MODE: MODES, LERNITO_REFUNDS: 'on' },
    })
    const { lms, sell } = product
    after(() => product.stop())
    beforeEach(() => lms.reset())

    const rowsOf = async (email: string) =>
      (await lms.state()).enrollments
        .filter((one) => one.email === email)
        .map(({ course, mode, active }) => [course, mode, active])

    for (const email of [ACTIVE, INACTIVE]) {
      test(`${email} is enrolled in the mode of each course, also in one that has only paid modes`, async () => {
        assert.equal((await sell({ email, courseIds: [HONOR, PRO] })).status, 200)
        assert.deepEqual(
          new Set(await rowsOf(email)),
          new Set([
            [HONOR, 'verified', true],
            [PRO, 'professional', true],
          ]),
        )
        assert.deepEqual((await lms.state()).allowances, [])
      })

      test(`${email} is changed from a free mode, and keeps another paid mode`, async () => {
        await lms.seed({ enrollments: [row(email, HONOR, 'honor', true), row(email, PRO, 'no-id-professional', true)] })
        assert.equal((await sell({ email, courseIds: [HONOR, PRO], name: 'Second' })).status, 200)
        assert.deepEqual(
          new Set(await rowsOf(email)),
          new Set([
            [HONOR, 'verified', true],
            [PRO, 'no-id-professional', true],
          ]),
        )
      })
    }

    test('a course that lacks the mode enrolls the buyer in its default mode, and the sale needs attention', async () => {
      const answered = await sell({ email: ACTIVE, courseIds: [PYTHON] })
      assert.equal(answered.status, 400)
      assert.deepEqual(answered.json, {
        success: false,
        message: `Course ${PYTHON} does not have the configured course mode`,
      })
      assert.deepEqual(await rowsOf(ACTIVE), [[PYTHON, 'audit', true]])
      const line = product.log.find(
        (entry) => entry.delivery === answered.headers['x-lernito-delivery'] && entry.event === 'needs_attention',
      )
      assert.equal(
        line?.detail,
        `enrolled in ${PYTHON}; ${PYTHON} does not have the course mode that LERNITO_COURSE_MODE names`,
      )
    })

    test('a new sale gives back a paid mode that was lost, and sending it again does not', async () => {
      await lms.seed({ enrollments: [row(ACTIVE, HONOR, 'verified', false)] })
      const sale = { email: ACTIVE, courseIds: [HONOR] }
      assert.equal((await sell(sale)).status, 200)
      assert.deepEqual(await rowsOf(ACTIVE), [[HONOR, 'verified', true]])
      await lms.seed({ enrollments: [row(ACTIVE, HONOR, 'verified', false)] })
      assert.equal((await sell(sale)).status, 200)
      assert.deepEqual(await rowsOf(ACTIVE), [[HONOR, 'honor', true]])
      assert.equal((await sell(sale)).status, 200)
      assert.deepEqual(await rowsOf(ACTIVE), [[HONOR, 'honor', true]])
    })

    test('a course that was refunded and sold again comes back in its paid mode, and one refunded in the LMS does not', async () => {
      const sale = { email: ACTIVE, courseIds: [HONOR], name: 'Again' }
      for (const taken of ['by a refund', 'in the LMS']) {
        assert.equal((await sell(sale)).status, 200)
        assert.deepEqual(await rowsOf(ACTIVE), [[HONOR, 'verified', true]])
        if (taken === 'by a refund') assert.equal((await refund({ url: product.url, ...sale })).status, 200)
        else await lms.seed({ enrollments: [row(ACTIVE, HONOR, 'verified', false)] })
        assert.deepEqual(await rowsOf(ACTIVE), [[HONOR, 'verified', false]])
      }
      assert.equal((await sell(sale)).status, 200)
      assert.deepEqual(await rowsOf(ACTIVE), [[HONOR, 'honor', true]])
    })

    test('of a sale that was refunded in part and comes again, the refunded course comes back in its paid mode, and no other', async () => {
      const sale = { email: ACTIVE, courseIds: [HONOR, PRO], name: 'In part' }
      assert.equal((await sell(sale)).status, 200)
      assert.equal((await refund({ url: product.url, ...sale, courseIds: [PRO] })).status, 200)
      await lms.seed({ enrollments: [row(ACTIVE, HONOR, 'verified', false)] })
      assert.equal((await sell(sale)).status, 200)
      assert.deepEqual(await rowsOf(ACTIVE), [
        [HONOR, 'honor', true],
        [PRO, 'professional', true],
      ])
    })

    test('a sale that comes again after its buyer has activated, and before the follow-up, gives the paid mode', async () => {
      const sale = { email: NEW, courseIds: [HONOR] }
      assert.equal((await sell(sale)).status, 200)
      await lms.people({ email: NEW, username: 'new', active: false })
      await lms.activate(NEW)
      assert.deepEqual(await rowsOf(NEW), [[HONOR, 'honor', true]])
      assert.equal((await sell(sale)).status, 200)
      assert.deepEqual(await rowsOf(NEW), [[HONOR, 'verified', true]])
    })

    test('a sale that gave the course, and failed for another one, does not give back its lost mode when it is sent again', async () => {
      const sale = { email: ACTIVE, courseIds: [HONOR, PYTHON] }
      assert.equal((await sell(sale)).status, 400)
      await lms.seed({ enrollments: [row(ACTIVE, HONOR, 'verified', false)] })
      assert.equal((await sell(sale)).status, 400)
      assert.deepEqual(await rowsOf(ACTIVE), [
        [HONOR, 'honor', true],
        [PYTHON, 'audit', true],
      ])
    })

    test('a buyer without an account gets an allowance, and keeps the default mode until it is applied', async () => {
      assert.equal((await sell({ email: NEW, courseIds: [HONOR] })).status, 200)
      assert.deepEqual(
        (await lms.state()).allowances.map(({ email, course }) => [email, course]),
        [[NEW, HONOR]],
      )
    })
  })
}

for (const [course, ends, closed] of [
  ['course-v1:Lernito+Ended+2026', true, false],
  ['course-v1:Lernito+EndedClosed+2026', true, true],
  ['course-v1:Lernito+OnSaleClosed+2026', false, true],
] as const) {
  test(`a buyer who was never enrolled in ${course} gets its mode only while it is on sale`, async (t) => {
    const world = {
      ...defaultWorld,
      courses: [
        {
          id: course,
          name: 'Audit and verified',
          modes: ['audit', 'verified'],
          ...(ends ? { mode_ends: { verified: '2026-01-01' } } : {}),
          ...(closed ? { enrollment_end: '2026-01-01' } : {}),
        },
      ],
      enrollments: [],
    }
    const product = await startProduct({ lms: { world }, env: { LERNITO_COURSE_MODE: 'verified' } })
    t.after(() => product.stop())
    const { status } = await product.sell({ email: ACTIVE, courseIds: [course] })
    assert.equal(status, ends ? 400 : 200)
    assert.deepEqual((await product.lms.state()).enrollments, [row(ACTIVE, course, ends ? 'audit' : 'verified', true)])
  })
}

test('a sale that has not given the course yet gives back a paid mode that was lost, also when it is sent again', async (t) => {
  const product = await startProduct({
    lms: { world: { ...defaultWorld, enrollments: [row(ACTIVE, HONOR, 'verified', false)] } },
    env: { LERNITO_COURSE_MODE: 'verified', LERNITO_ANSWER_WITHIN_MS: '3000' },
  })
  t.after(() => product.stop())
  await product.lms.faults([{ method: 'GET', path: '/api/user/v1/accounts', status: 503 }])
  const sale = { email: ACTIVE, courseIds: [HONOR] }
  assert.equal((await product.sell(sale)).status, 500)
  await product.lms.noFaults()
  const again = await product.sell(sale)
  assert.deepEqual(
    [again.status, again.headers['x-lernito-delivery']],
    [200, product.log.find(({ event }) => event === 'received')?.delivery],
  )
  assert.deepEqual((await product.lms.state()).enrollments, [row(ACTIVE, HONOR, 'verified', true)])
})

test('a buyer who activated while the course lacked the mode gets it when it is there, and the sale is attempted again', async (t) => {
  const product = await startProduct({ followUpMs: 200, env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  const { lms, sell, log } = product
  const sale = { email: NEW, courseIds: [PYTHON] }
  assert.equal((await sell(sale)).status, 200)
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  await until('the follow-up', async () => log.some(({ event }) => event === 'needs_attention') || undefined)
  await addVerified(lms, { course: PYTHON, email: NEW, username: 'new' })
  assert.equal((await sell(sale)).status, 200)
  assert.deepEqual((await lms.state()).enrollments, [row(NEW, PYTHON, 'verified', true)])
})

test('one mode for all courses needs no key', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: 'verified' } })
  t.after(() => product.stop())
  assert.equal((await product.sell({ email: ACTIVE, courseIds: [HONOR] })).status, 200)
  const { enrollments } = await product.lms.state()
  assert.ok(enrollments.some(({ email, mode }) => email === ACTIVE && mode === 'verified'))
})

test('while the search fails, each account is looked up, and who has one goes singly', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  await product.lms.faults([{ path: '/api/user/v1/accounts/search_emails', status: 500 }])
  assert.equal((await product.sell({ email: ACTIVE, courseIds: [HONOR] })).status, 200)
  const batches = async () =>
    (await product.lms.calls()).filter(
      ({ method, path, status }) => method === 'POST' && /bulk|modify$/.test(path) && status === 200,
    ).length
  assert.equal(await batches(), 0)
  assert.equal((await product.sell({ email: NEW, courseIds: [HONOR] })).status, 200)
  assert.equal(await batches(), 1)
  const { enrollments } = await product.lms.state()
  assert.ok(enrollments.some(({ email, mode }) => email === ACTIVE && mode === 'verified'))
})

test('a buyer whose allowance has become an enrollment right before the batch is changed to the mode, too', async (t) => {
  const { lms, seed, enrollmentsOf } = await startSingly(t)
  await seed({ enrollments: [row(ACTIVE, HONOR, 'honor', true)] })
  const acquire = () => unlimitedBudget().acquire(new AbortController().signal)
  const buyer = {
    lms,
    acquire,
    email: ACTIVE,
    course: HONOR,
    stored: null,
    named: false,
    mayLand: async () => false,
    claimed: false,
    wasDone: false,
    mode: 'verified',
  }
  await enrollSingly({ ...buyer, prior: 'effect_unknown' })
  assert.deepEqual(await enrollmentsOf(ACTIVE), [row(ACTIVE, HONOR, 'verified', true)])
})

test('a buyer whom the LMS refuses in the mode of the setting is enrolled in no other one', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: 'verified' } })
  t.after(() => product.stop())
  const { lms, sell } = product
  await lms.faults([{ naming: 'verified', path: ENROLL, method: 'POST', status: 400, body: { message: 'no' } }])
  const { status } = await sell({ email: ACTIVE, courseIds: [HONOR] })
  const rows = (await lms.state()).enrollments.filter(({ course }) => course === HONOR)
  assert.deepEqual([status, rows], [400, []])
})

test('a free mode of the setting is given with each repeat of a sale, also back to who has lost it', async (t) => {
  const course = 'course-v1:Lernito+Free+2026'
  const courses = [{ id: course, name: 'Audit and honor', modes: ['audit', 'honor'] }]
  const world = { ...defaultWorld, courses, enrollments: [] }
  const product = await startProduct({ lms: { world }, env: { LERNITO_COURSE_MODE: 'honor' } })
  t.after(() => product.stop())
  const { lms, sell } = product
  const [free, lost] = [row(ACTIVE, course, 'audit', true), row(ACTIVE, course, 'honor', false)]
  for (const enrollments of [[], [free], [lost]]) {
    await lms.seed({ enrollments })
    assert.equal((await sell({ email: ACTIVE, courseIds: [course] })).status, 200)
    assert.deepEqual((await lms.state()).enrollments, [row(ACTIVE, course, 'honor', true)])
  }
})

test('a course whose key the setting spells in another letter case gets its mode', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: `${HONOR.toLowerCase()}=verified` } })
  t.after(() => product.stop())
  assert.equal((await product.sell({ email: ACTIVE, courseIds: [HONOR] })).status, 200)
  assert.deepEqual(
    (await product.lms.state()).enrollments.filter(({ email }) => email === ACTIVE),
    [row(ACTIVE, HONOR, 'verified', true)],
  )
})
