import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { whatStands } from '../../../src/enroll/withdraw/what-stands.ts'
import { withdrawCourse } from '../../../src/enroll/withdraw/withdraw-person.ts'
import { unlimitedBudget } from '../../../src/lms/client/budget.ts'
import { DEMO } from '../../harness.ts'
import { LMS_KINDS } from '../../lms-kinds.ts'
import { startSingly } from '../singly.ts'
import { refund } from './refunding.ts'
import { startWithOperations } from './withdrawing.ts'

const VICTIM = 'victim@example.com'
const STRANGER = { email: 'stranger@example.com', username: VICTIM }
const strangersRow = { email: STRANGER.email, course: DEMO, mode: 'verified', active: true }

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const product = await startWithOperations({ lms: apis, env: { LERNITO_REFUNDS: 'on' } })
    const { lms, sold, withdraw, stateOf } = product
    after(() => product.stopAll())
    beforeEach(() => lms.reset())

    const inDemo = async () => {
      const { enrollments, allowances } = await lms.state()
      return { enrollments: enrollments.filter(({ course }) => course === DEMO), allowances }
    }

    test('a withdrawal of a buyer’s allowance leaves a stranger alone who has the address as user name', async () => {
      const id = await sold(VICTIM)
      await lms.people({ ...STRANGER, active: true })
      await lms.seed({ enrollments: [strangersRow] })
      const { result } = await withdraw(id, { paid: true })
      assert.equal(result?.courses[DEMO]?.kind, 'disallowed')
      assert.deepEqual(await inDemo(), { enrollments: [strangersRow], allowances: [] })
      assert.equal(await stateOf(id), 'withdrawn')
    })

    test('a refund of it does too', async () => {
      const id = await sold('victim@example.com')
      await lms.people({ ...STRANGER, active: true })
      await lms.seed({ enrollments: [strangersRow] })
      const { status } = await refund({ url: product.url, email: VICTIM })
      assert.equal(status, 200)
      assert.deepEqual(await inDemo(), { enrollments: [strangersRow], allowances: [] })
      assert.equal(await stateOf(id), 'withdrawn')
    })

    test('a buyer with an account is taken out, although a stranger has the address as user name', async () => {
      await lms.people({ email: VICTIM, username: 'victim', active: true })
      const id = await sold(VICTIM)
      await lms.people({ ...STRANGER, active: true })
      await lms.seed({ enrollments: [strangersRow] })
      const { result } = await withdraw(id)
      assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
      const { enrollments } = await inDemo()
      assert.deepEqual(
        enrollments.map(({ email, active }) => [email, active]),
        [
          [STRANGER.email, true],
          [VICTIM, false],
        ],
      )
    })
  })
}

/** An order for somebody of whom the LMS has no account at the address. */
const UNKNOWN = {
  acquire: () => unlimitedBudget().acquire(new AbortController().signal),
  email: VICTIM,
  account: { status: 'unknown' },
  movedTo: null,
  isTaken: false,
  isGone: false,
  given: null,
  course: DEMO,
  wasEnrolled: false,
  paid: true,
  hadBefore: false,
  hasCalled: false,
  keeper: async () => null,
  givenHere: async () => ({ gave: true, modeBefore: null }),
  onLacking: () => {},
  onTaking: async () => {},
} as const

test('a buyer who activates an account before the allowance is deleted is not taken for withdrawn', async (t) => {
  const { lms, seed, people, activate } = await startSingly(t)
  await seed({ allowances: [{ email: VICTIM, course: DEMO, auto_enroll: true, used: false }] })
  const allowances = await lms.allowances(await UNKNOWN.acquire(), { email: VICTIM })
  assert.ok(allowances.ok)
  const withdrawn = await withdrawCourse({
    ...UNKNOWN,
    lms,
    allowances: allowances.value,
    onTaking: async () => {
      await people({ email: VICTIM, username: 'victim', active: false })
      await activate(VICTIM)
    },
  })
  assert.ok('failure' in withdrawn)
})

test('who has used an allowance, and that the LMS does not tell, is not said to be out of the course', async (t) => {
  const { lms } = await startSingly(t)
  const withdrawn = await withdrawCourse({
    ...UNKNOWN,
    lms,
    allowances: [{ course: DEMO, autoEnroll: true, used: true, usedBy: null, other: null }],
    onTaking: () => Promise.reject(new Error('nothing is changed')),
  })
  assert.ok(withdrawn.ok)
  assert.match(withdrawn.value.why, /^an account with this address used the allowance/)
})

for (const step of [1, 2]) {
  test(`a buyer who activates an account after look-up ${step} of the page is not said to be out of the course`, async (t) => {
    const { lms, seed, people, activate } = await startSingly(t)
    await seed({ allowances: [{ email: VICTIM, course: DEMO, auto_enroll: true, used: false }] })
    const activated = async () => {
      await people({ email: VICTIM, username: 'victim', active: false })
      await activate(VICTIM)
    }
    let calls = 0
    const afterCall = async <Answer>(answer: Answer): Promise<Answer> => {
      if (++calls === step) await activated()
      return answer
    }
    const stands = await whatStands({
      lms: {
        ...lms,
        account: async (email) => afterCall(await lms.account(email)),
        allowances: async (...of) => afterCall(await lms.allowances(...of)),
      },
      acquire: UNKNOWN.acquire,
      email: VICTIM,
      courses: [{ course: DEMO, account: null, claimed: false, result: null }],
    })
    assert.ok(stands.ok)
    assert.deepEqual(
      stands.value.map(({ standing }) => standing),
      [step === 1 ? 'enrolled' : 'no_account'],
    )
  })
}
