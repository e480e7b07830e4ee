import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PairResult } from '../../src/enroll/work.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { DEMO, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { type Singly, startSingly } from './singly.ts'

const NEW = 'new@example.com'
const FULL = 'course-v1:Lernito+Full+2026'
const open = { email: NEW, course: DEMO, auto_enroll: true, used: false }
const enrolled: PairResult = { kind: 'done', result: 'enrolled' }
const allowed: PairResult = { kind: 'done', result: 'allowed' }

const register = async ({ people, activate }: Pick<Singly, 'people' | 'activate'>, email = NEW): Promise<void> => {
  await people({ email, username: 'newcomer', active: false })
  await activate(email)
}

/** The result names the new account, which the look-up before the call did not find. */
const enrolls = async (singly: Singly): Promise<void> => {
  const { account, ...result } = { account: undefined, ...(await singly.enroll(NEW)).result }
  assert.deepEqual([result, account?.username], [enrolled, 'newcomer'])
}

test('a person who activates between the look-up and the allowance is enrolled, and the allowance is deleted', async (t) => {
  const singly = await startSingly(t)
  singly.beforeCall(1, () => register(singly))
  await enrolls(singly)
  assert.deepEqual(await singly.enrollmentsOf(NEW), [{ email: NEW, course: DEMO, mode: 'audit', active: true }])
  assert.deepEqual((await singly.state()).allowances, [])
})

test('a person who activates while a useless allowance is made again is enrolled, and the allowance is deleted', async (t) => {
  const singly = await startSingly(t)
  await singly.seed({ allowances: [{ ...open, auto_enroll: false }] })
  singly.beforeCall(4, () => register(singly))
  await enrolls(singly)
  assert.deepEqual((await singly.state()).allowances, [])
})

test('a person who only registers in the meantime keeps the allowance, which enrolls on activation', async (t) => {
  const singly = await startSingly(t)
  singly.beforeCall(1, () => singly.people({ email: NEW, username: 'newcomer', active: false }))
  assert.deepEqual((await singly.enroll(NEW)).result, allowed)
  await singly.activate(NEW)
  assert.equal((await singly.enrollmentsOf(NEW))[0]?.active, true)
})

test('a person who activates in the meantime and is refused by the LMS keeps no allowance and is not reported as allowed', async (t) => {
  const singly = await startSingly(t)
  singly.beforeCall(1, () => register(singly))
  const { result } = await singly.enroll(NEW, { course: FULL })
  assert.equal(result.kind === 'reason' ? result.reason.code : result.kind, 'lms.refused')
  assert.deepEqual((await singly.state()).allowances, [])
})

test('another person who registers in the meantime, and whom the LMS takes for this one, gets nothing', async (t) => {
  const singly = await startSingly(t)
  singly.beforeCall(1, () => register(singly, 'new@exämple.com'))
  const { result } = await singly.enroll(NEW)
  assert.deepEqual(result, { kind: 'reason', reason: { code: 'person.other_account', subject: 'n***@exämple.com' } })
  const { enrollments, allowances } = await singly.state()
  assert.deepEqual([enrollments.filter(({ course }) => course === DEMO), allowances], [[], []])
})

test('a failure after making the allowance leaves the effect unknown; one before it does not', async (t) => {
  const singly = await startSingly(t)
  const accounts = '/api/user/v1/accounts'
  for (const [nth, unknown] of [
    [0, false],
    [1, true],
  ] as const) {
    const fail = () => singly.faults([{ path: accounts, status: 503, times: 1 }])
    if (nth === 0) await fail()
    else singly.beforeCall(nth, fail)
    const { result } = await singly.enroll(NEW)
    assert.equal(result.kind === 'failure' && result.failure.mayHaveTakenEffect, unknown)
    await singly.reset()
  }
})

test('a failure to delete the allowance after enrolling who has not activated leaves the effect unknown', async (t) => {
  const singly = await startSingly(t)
  await singly.people({ email: NEW, username: 'newcomer', active: false })
  const path = '/api/enrollment/v1/enrollment_allowed/'
  await singly.faults([{ method: 'DELETE', path, status: 429, retryAfter: 1 }])
  const { result } = await singly.enroll(NEW)
  assert.equal((await singly.enrollmentsOf(NEW)).length, 1)
  assert.equal(result.kind === 'failure' && result.failure.mayHaveTakenEffect, true)
})

test('a failure after deleting an allowance to make it again leaves the effect unknown', async (t) => {
  const singly = await startSingly(t)
  await singly.seed({ allowances: [{ ...open, auto_enroll: false }] })
  const path = '/api/enrollment/v1/enrollment_allowed/'
  singly.beforeCall(4, () => singly.faults([{ method: 'POST', path, status: 429, retryAfter: 1 }]))
  const { result } = await singly.enroll(NEW)
  assert.equal(result.kind === 'failure' && result.failure.mayHaveTakenEffect, true)
})

test('an allowance that is deleted during the check is made again, and a failure after that leaves the effect unknown', async (t) => {
  const singly = await startSingly(t)
  const permit = () => unlimitedBudget().acquire(new AbortController().signal)
  for (const fails of [false, true]) {
    await singly.seed({ allowances: [{ ...open, auto_enroll: false }] })
    singly.beforeCall(2, async () => singly.lms.disallow(await permit(), open))
    if (fails) singly.beforeCall(3, () => singly.faults([{ path: '/api/user/v1/accounts', status: 503, times: 1 }]))
    const { result } = await singly.enroll(NEW)
    if (fails) assert.equal(result.kind === 'failure' && result.failure.mayHaveTakenEffect, true)
    else assert.deepEqual(result, allowed)
    assert.deepEqual((await singly.state()).allowances, [open])
    await singly.reset()
  }
})

test('an allowance for the course key in another letter case is made again with the true key', async (t) => {
  const singly = await startSingly(t)
  for (const prior of ['unasked', 'effect_unknown'] as const) {
    await singly.seed({ allowances: [{ ...open, course: DEMO.toLowerCase() }] })
    assert.deepEqual((await singly.enroll(NEW, { prior })).result, allowed)
    assert.deepEqual((await singly.state()).allowances, [open], prior)
    await singly.reset()
  }
})

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, () => {
    test('an allowance that another account has used is made again, and enrolls the buyer', async (t) => {
      const product = await startProduct({ lms: apis })
      t.after(() => product.stop())
      const { lms, sell } = product
      await lms.seed({ allowances: [open] })
      await register(lms)
      await lms.people({ email: 'moved@example.com', username: 'newcomer', active: true, formerly: NEW })
      assert.deepEqual((await lms.state()).allowances, [{ ...open, used: true }])
      const answered = await sell({ email: NEW })
      assert.deepEqual(answered.json, { success: true, message: 'Enrollment allowance verified for 1 course(s)' })
      assert.deepEqual((await lms.state()).allowances, [open])
      await lms.people({ email: NEW, username: 'second', active: false })
      await lms.activate(NEW)
      assert.ok((await lms.state()).enrollments.some(({ email, active }) => email === NEW && active))
    })

    test('a person who has not activated is enrolled, even if another account has used the allowance for the address', async (t) => {
      const product = await startProduct({ lms: apis })
      t.after(() => product.stop())
      const { lms, sell } = product
      await lms.seed({ allowances: [open] })
      await register(lms)
      await lms.people({ email: 'moved@example.com', username: 'newcomer', active: true, formerly: NEW })
      await lms.people({ email: NEW, username: 'second', active: false })
      const answered = await sell({ email: NEW })
      assert.deepEqual(answered.json, { success: true, message: 'User enrollment status verified for 1 course(s)' })
      assert.ok((await lms.state()).enrollments.some(({ email, active }) => email === NEW && active))
    })
  })
}
