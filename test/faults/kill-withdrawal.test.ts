import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { refund } from '../enroll/withdraw/refunding.ts'
import { ended, operationsOn } from '../enroll/withdraw/withdrawing.ts'
import { DEMO } from '../harness.ts'
import { temporaryFolder, until } from '../service/process.ts'
import { BULK, sell, startHoldingLms, startServe, UNENROLL } from '../service/serving.ts'

const ALICE = 'alice@example.com'
const HONOR = 'course-v1:Lernito+Honor+2026' // honor and verified
const PYTHON = 'course-v1:Lernito+PY101+2026'
const ENROLLMENT = '/api/enrollment/v1/enrollment/{username},{course_id}'
const ALLOWANCES = '/api/enrollment/v1/enrollment_allowed/'
const ACCOUNTS = '/api/user/v1/accounts'
const once = { delayMs: 1, times: 1 }

import { PATIENT } from './load.ts'

const command = [process.execPath, join(import.meta.dirname, 'quick-replica.ts')] as const

/** The calls of a withdrawal, in their order. */
const CALLS: Readonly<Record<string, object>> = {
  'while the account is looked up': { method: 'GET', path: '/api/user/v1/accounts', ...once },
  'while the allowances are read': { method: 'GET', path: ALLOWANCES, ...once },
  'while the enrollment is read': { method: 'GET', path: ENROLLMENT, ...once },
  'during the call that unenrolls, before its effect': { method: 'POST', path: UNENROLL, drop: 'before', ...once },
  'during the call that unenrolls, after its effect': { method: 'POST', path: UNENROLL, ...once },
}

describe('SIGKILL at each step of a withdrawal', { concurrency: 2, timeout: 600_000 }, () => {
  for (const [step, fault] of Object.entries(CALLS)) {
    test(`${step}: the next start withdraws`, async (t) => {
      const folder = temporaryFolder(t)
      const lms = await startHoldingLms(t)
      const serve = () =>
        startServe({ t, folder, lmsUrl: lms.url, env: { ...PATIENT, LERNITO_LMS_CALLS_PER_MINUTE: '0' }, command })
      const first = await serve()
      const id = String((await sell({ url: first.url, email: ALICE }))?.headers['x-lernito-delivery'])
      const { operations, close } = operationsOn(`sqlite:${folder}/lernito.db`)
      t.after(close)
      await lms.faults([fault])
      await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
      await lms.arrived
      first.child.kill('SIGKILL')
      await first.ended
      lms.release()
      await serve()
      const { endedAt } = await ended({ operations }, id)
      assert.notEqual(endedAt, null)
      assert.equal((await operations.show(id))?.state, 'withdrawn')
      const { enrollments } = await lms.state()
      assert.deepEqual(
        enrollments.filter(({ email }) => email === ALICE).map(({ active }) => active),
        [false],
      )
      const kinds = (await operations.timeline(id)).map(({ kind }) => kind)
      assert.equal(kinds.filter((kind) => kind === 'withdrawn').length, 1)
    })
  }

  for (const [step, fault] of Object.entries({
    'while it is looked up by its id': { method: 'GET', path: ACCOUNTS, naming: 'lms_user_id', ...once },
    'between the look and the call that unenrolls': { method: 'POST', path: '/api/enrollment/v1/enrollment', ...once },
  })) {
    test(`of a buyer whose account has another address now, ${step}: the next start withdraws that account`, async (t) => {
      const folder = temporaryFolder(t)
      const lms = await startHoldingLms(t)
      const env = { ...PATIENT, LERNITO_LMS_CALLS_PER_MINUTE: '0' }
      const serve = () => startServe({ t, folder, lmsUrl: lms.url, env, command })
      const first = await serve()
      const id = String((await sell({ url: first.url, email: ALICE }))?.headers['x-lernito-delivery'])
      await lms.address({ formerly: ALICE, email: 'alice@example.org' })
      await lms.people({ email: ALICE, username: 'second', active: true })
      await lms.seed({ enrollments: [{ email: ALICE, course: DEMO, mode: 'audit', active: true }] })
      const { operations, close } = operationsOn(`sqlite:${folder}/lernito.db`)
      t.after(close)
      await lms.faults([fault])
      await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
      await lms.arrived
      first.child.kill('SIGKILL')
      await first.ended
      lms.release()
      await serve()
      await ended({ operations }, id)
      const alices = (await lms.state()).enrollments.filter(({ email }) => email.startsWith('alice'))
      assert.deepEqual(
        alices.map(({ email, active }) => [email, active]),
        [
          [ALICE, true],
          ['alice@example.org', false],
        ],
      )
    })
  }

  test('right after the order is stored: the next start withdraws', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    const serve = () =>
      startServe({ t, folder, lmsUrl: lms.url, env: { ...PATIENT, LERNITO_LMS_CALLS_PER_MINUTE: '0' }, command })
    const first = await serve()
    const id = String((await sell({ url: first.url, email: ALICE }))?.headers['x-lernito-delivery'])
    first.child.kill('SIGKILL')
    await first.ended
    const { operations, close } = operationsOn(`sqlite:${folder}/lernito.db`)
    t.after(close)
    await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
    await serve()
    await until('the end', async () => ((await operations.show(id))?.state === 'withdrawn' ? true : undefined))
  })

  test('during the call that unenrolls, after the sale came again: the next start gives its paid mode anew', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    const env = { LERNITO_REFUNDS: 'on', LERNITO_COURSE_MODE: 'verified', LERNITO_ANSWER_WITHIN_MS: '0' }
    const serve = () => startServe({ t, folder, lmsUrl: lms.url, env, command })
    const first = await serve()
    const { operations, close } = operationsOn(`sqlite:${folder}/lernito.db`)
    t.after(close)
    const sale = { url: first.url, email: ALICE, courseIds: [HONOR] }
    const id = String((await sell(sale))?.headers['x-lernito-delivery'])
    const enrolled = () => until('enrolled', async () => (await operations.show(id))?.state === 'enrolled' || undefined)
    await enrolled()
    await lms.faults([{ method: 'POST', path: UNENROLL, ...once }])
    await refund(sale)
    await lms.arrived
    await sell(sale)
    first.child.kill('SIGKILL')
    await first.ended
    lms.release()
    await serve()
    await enrolled()
    const { enrollments } = await lms.state()
    assert.deepEqual(
      enrollments.filter(({ email, course }) => email === ALICE && course === HONOR),
      [{ email: ALICE, course: HONOR, mode: 'verified', active: true }],
    )
  })

  test('during a call for a sale that is refunded in part: the next start withdraws, and enrolls the rest', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    const env = { LERNITO_LMS_CALLS_PER_MINUTE: '0', LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '0' }
    const serve = () => startServe({ t, folder, lmsUrl: lms.url, env, command })
    const first = await serve()
    await lms.faults([{ method: 'POST', path: BULK, ...once }])
    const sale = { url: first.url, email: ALICE, courseIds: [DEMO, PYTHON] }
    const id = String((await sell(sale))?.headers['x-lernito-delivery'])
    await lms.arrived
    assert.equal((await refund({ url: first.url, email: ALICE, courseIds: [DEMO] })).status, 202)
    first.child.kill('SIGKILL')
    await first.ended
    lms.release()
    await serve()
    const { operations, close } = operationsOn(`sqlite:${folder}/lernito.db`)
    t.after(close)
    await ended({ operations }, id)
    await until('the rest', async () => (await operations.show(id))?.state === 'enrolled' || undefined)
    const active = (await lms.state()).enrollments.filter((row) => row.email === ALICE && row.active)
    assert.deepEqual(
      active.map(({ course }) => course),
      [PYTHON],
    )
  })
})
