import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { withdrawAllowances } from '../../src/enroll/withdraw/withdraw-person.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { startSingly } from './singly.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const OTHERS = [
  ['alice@exämple.com', 'a***@example.com'],
  ['alice@ｅxample.com', 'a***@example.com'],
  ['erın@example.com', 'e***@example.com'],
] as const

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const product: Product = await startProduct({ lms: apis })
    const { lms, sell } = product
    after(() => product.stop())
    beforeEach(() => lms.reset())

    for (const [email, masked] of OTHERS) {
      test(`a sale to ${email} enrolls nobody else, and names the account that the LMS took it for`, async () => {
        const before = await lms.state()
        const answered = await sell({ email })
        assert.equal(answered.status, 400)
        assert.match(answered.text, /account with another address/)
        assert.deepEqual(await lms.state(), before)
        const line = product.log.find(
          (entry) => entry.delivery === answered.headers['x-lernito-delivery'] && entry.event === 'needs_attention',
        )
        assert.ok(String(line?.detail).includes(masked), String(line?.detail))
      })
    }

    test('a sale to an ASCII address that the LMS takes for another person’s enrolls nobody, and the rest of its batch', async () => {
      await lms.people({ email: 'user@exämple.com', username: 'umlaut', active: true })
      const [wrong, right] = await Promise.all([
        sell({ email: 'user@example.com' }),
        sell({ email: 'new@example.com' }),
      ])
      assert.deepEqual([wrong.status, right.status], [400, 200])
      assert.match(wrong.text, /account with another address/)
      const { enrollments, allowances } = await lms.state()
      assert.ok(enrollments.every(({ email }) => email !== 'user@exämple.com'))
      assert.deepEqual(
        allowances.map(({ email }) => email),
        ['new@example.com'],
      )
    })

    test('an address in another letter case, or outside ASCII, is enrolled in its own account', async () => {
      await lms.people({ email: 'user@exämple.com', username: 'umlaut', active: true })
      for (const email of ['ALICE@example.com', 'dave@example.com', 'user@exämple.com', 'User@EXÄMPLE.com']) {
        assert.equal((await sell({ email })).status, 200, email)
      }
      const { enrollments } = await lms.state()
      assert.deepEqual(
        enrollments
          .filter(({ course }) => course === DEMO)
          .map(({ email }) => email)
          .sort(),
        ['Dave@Example.com', 'alice@example.com', 'user@exämple.com'],
      )
    })

    test('an unknown address outside ASCII is allowed as it is', async () => {
      assert.equal((await sell({ email: 'new@exämple.com' })).status, 200)
      assert.deepEqual((await lms.state()).allowances, [
        { email: 'new@exämple.com', course: DEMO, auto_enroll: true, used: false },
      ])
    })

    test('an allowance for another address that the LMS takes for this one is not reported as this buyer’s', async () => {
      assert.equal((await sell({ email: 'new@example.com' })).status, 200)
      const before = await lms.state()
      const answered = await sell({ email: 'new@exämple.com' })
      assert.equal(answered.status, 400)
      assert.match(answered.text, /account with another address/)
      assert.deepEqual(await lms.state(), before)
    })
  })
}

test('forgetting a person deletes only their own allowances', async (t) => {
  const { lms, seed, state } = await startSingly(t)
  const own = { email: 'new@exämple.com', course: PYTHON, auto_enroll: true, used: false }
  const other = { email: 'new@example.com', course: DEMO, auto_enroll: true, used: false }
  await seed({ allowances: [own, other] })
  const acquire = () => unlimitedBudget().acquire(new AbortController().signal)
  assert.deepEqual(await withdrawAllowances({ lms, acquire, email: own.email }), { ok: true, value: 1 })
  assert.deepEqual((await state()).allowances, [other])
})

test('an allowance that bulk_enroll made for another person by mistake is deleted', async (t) => {
  const { enroll, people, seed, state } = await startSingly(t)
  await people({ email: 'user@exämple.com', username: 'umlaut', active: false })
  await seed({ allowances: [{ email: 'user@example.com', course: DEMO, auto_enroll: true, used: false }] })
  const { result } = await enroll('user@example.com', { prior: 'allowed_by_bulk' })
  assert.deepEqual(result, { kind: 'reason', reason: { code: 'person.other_account', subject: 'u***@exämple.com' } })
  assert.deepEqual((await state()).allowances, [])
})
