import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PairResult } from '../../src/enroll/work.ts'
import { DEMO } from '../harness.ts'
import { type Singly, startSingly } from './singly.ts'

const NEW = 'new@example.com'
const ALICE = 'alice@example.com'
const BOB = 'bob@example.com' // has not activated
const FULL = 'course-v1:Lernito+Full+2026'
const open = (email: string, course = DEMO) => ({ email, course, auto_enroll: true, used: false })
const row = (email: string, active: boolean) => ({ email, course: DEMO, mode: 'audit', active })

const enrolled: PairResult = { kind: 'done', result: 'enrolled' }
const allowed: PairResult = { kind: 'done', result: 'allowed' }
const unenrolled: PairResult = { kind: 'reason', reason: { code: 'person.unenrolled', subject: DEMO } }

/** After an attempt of unknown effect. Neither the account nor what was there before is compared: see accounts.test.ts. */
async function start(t: TestContext): Promise<Singly> {
  const singly = await startSingly(t)
  const enroll: Singly['enroll'] = async (email, how) => {
    const { result, sent } = await singly.enroll(email, { prior: 'effect_unknown', ...how })
    if (result.kind === 'failure') return { result, sent }
    const { account: _account, hadBefore: _had, ...rest } = result
    return { result: rest, sent }
  }
  return { ...singly, enroll }
}

/** The buyer of NEW has registered and activated an account, which used the allowance. */
async function useAllowance({ seed, people, activate }: Singly): Promise<void> {
  await seed({ allowances: [open(NEW)] })
  await people({ email: NEW, username: 'newcomer', active: false })
  await activate(NEW)
}

test('a person whom the lost call enrolled is reported as enrolled, and nothing is sent', async (t) => {
  const { seed, enroll } = await start(t)
  await seed({ enrollments: [row(ALICE, true)] })
  assert.deepEqual(await enroll(ALICE), { result: enrolled, sent: [] })
})

test('a person who was unenrolled since the lost call stays unenrolled, and nothing is sent', async (t) => {
  const { seed, enroll, enrollmentsOf } = await start(t)
  await seed({ enrollments: [row(ALICE, false)] })
  assert.deepEqual(await enroll(ALICE), { result: unenrolled, sent: [] })
  assert.deepEqual(await enrollmentsOf(ALICE), [row(ALICE, false)])
})

test('a person with an account and no enrollment is enrolled: the lost call did nothing', async (t) => {
  const { enroll, enrollmentsOf } = await start(t)
  assert.deepEqual(await enroll(ALICE), { result: enrolled, sent: ['POST enrollment'] })
  assert.deepEqual(await enrollmentsOf(ALICE), [row(ALICE, true)])
})

test('an unknown address without an allowance gets one', async (t) => {
  const { enroll, state } = await start(t)
  assert.deepEqual(await enroll(NEW), { result: allowed, sent: ['POST enrollment_allowed'] })
  assert.deepEqual((await state()).allowances, [open(NEW)])
})

test('an allowance that the lost call made is enough, and nothing is sent', async (t) => {
  const { seed, enroll } = await start(t)
  await seed({ allowances: [open(NEW)] })
  assert.deepEqual(await enroll(NEW), { result: allowed, sent: [] })
})

test('an allowance that enrolls nobody is made again', async (t) => {
  const { seed, enroll, state } = await start(t)
  await seed({ allowances: [{ ...open(NEW), auto_enroll: false }] })
  assert.deepEqual(await enroll(NEW), {
    result: allowed,
    sent: ['DELETE enrollment_allowed', 'POST enrollment_allowed'],
  })
  assert.deepEqual((await state()).allowances, [open(NEW)])
})

test('an allowance of another address is not this buyer’s, and nothing is sent', async (t) => {
  const { seed, enroll } = await start(t)
  await seed({ allowances: [open(NEW)] })
  const other = { kind: 'reason', reason: { code: 'person.other_account', subject: 'n***@example.com' } }
  assert.deepEqual(await enroll('new@exämple.com'), { result: other, sent: [] })
})

test('a person who used the allowance and is still enrolled is reported as enrolled', async (t) => {
  const singly = await start(t)
  await useAllowance(singly)
  assert.deepEqual(await singly.enroll(NEW), { result: enrolled, sent: [] })
})

test('nothing is sent if an account that now has another address has used the allowance', async (t) => {
  const singly = await start(t)
  await useAllowance(singly)
  await singly.people({ email: 'moved@example.com', username: 'newcomer', active: true, formerly: NEW })
  // The others are what a batch found, right before the account got its other address.
  for (const prior of ['effect_unknown', 'allowed_by_bulk'] as const) {
    assert.deepEqual(await singly.enroll(NEW, { prior }), { result: unenrolled, sent: [] }, prior)
  }
})

test('a person who has not activated keeps no allowance that would enroll them after a refund', async (t) => {
  for (const [active, result] of [
    [true, enrolled],
    [false, unenrolled],
  ] as const) {
    const { seed, enroll, state, activate, enrollmentsOf } = await start(t)
    await seed({ enrollments: [row(BOB, active)], allowances: [open(BOB)] })
    assert.deepEqual(await enroll(BOB), { result, sent: ['DELETE enrollment_allowed'] })
    assert.deepEqual((await state()).allowances, [])
    await activate(BOB)
    assert.deepEqual(await enrollmentsOf(BOB), [row(BOB, active)])
  }
})

test('a person who has not activated, with only the allowance of the lost bulk call, is enrolled, and it is deleted', async (t) => {
  const { seed, enroll, state, enrollmentsOf } = await start(t)
  await seed({ allowances: [open(BOB)] })
  const { result, sent } = await enroll(BOB)
  assert.deepEqual([result, sent.sort()], [enrolled, ['DELETE enrollment_allowed', 'POST enrollment']])
  assert.deepEqual(await enrollmentsOf(BOB), [row(BOB, true)])
  assert.deepEqual((await state()).allowances, [])
})

test('a person who has not activated keeps the allowance while the call that enrolls them fails', async (t) => {
  const { seed, faults, enroll, state } = await start(t)
  await seed({ allowances: [open(BOB)] })
  await faults([{ method: 'POST', path: '/api/enrollment/v1/enrollment', status: 500 }])
  const { result } = await enroll(BOB)
  assert.deepEqual([result.kind, (await state()).allowances], ['failure', [open(BOB)]])
})

test('a person who had an allowance before a bulk call, and registered since, is enrolled, and it is deleted', async (t) => {
  const { seed, enroll, state, enrollmentsOf } = await start(t)
  await seed({ allowances: [open(BOB)] })
  assert.deepEqual((await enroll(BOB, { prior: 'allowed_before' })).result, enrolled)
  assert.deepEqual(await enrollmentsOf(BOB), [row(BOB, true)])
  assert.deepEqual((await state()).allowances, [])
})

test('a refused person who has not activated keeps the allowance of the lost bulk call, and otherwise gets none', async (t) => {
  const { seed, enroll, state } = await start(t)
  await seed({ allowances: [open(BOB)] }) // for another course
  const { result } = await enroll(BOB, { course: FULL })
  assert.deepEqual([result.kind, (await state()).allowances], ['reason', [open(BOB)]])
  await seed({ allowances: [open(BOB, FULL)] })
  assert.deepEqual((await enroll(BOB, { course: FULL })).result, allowed)
  assert.deepEqual((await state()).allowances, [open(BOB), open(BOB, FULL)])
})

test('while the LMS can’t be read, the effect stays unknown and nothing is sent', async (t) => {
  const { faults, noFaults, enroll } = await start(t)
  for (const [email, path] of [
    [ALICE, '/api/user/v1/accounts'],
    [ALICE, '/api/enrollment/v1/enrollment/{username},{course_id}'],
    [NEW, '/api/enrollment/v1/enrollment_allowed/'],
  ] as const) {
    await faults([{ method: 'GET', path, status: 429, retryAfter: 1 }])
    const { result, sent } = await enroll(email)
    assert.ok(result.kind === 'failure', path)
    assert.deepEqual([result.failure.mayHaveTakenEffect, sent], [true, []], path)
    await noFaults()
  }
})
