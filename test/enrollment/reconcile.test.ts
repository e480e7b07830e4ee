import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { CourseResult } from '../../src/delivery/types.ts'
import { checkReported, type Finding, isRepairable, repair } from '../../src/enrollment/reconcile.ts'
import { type Reconciled, reconcileAll } from '../../src/enrollment/reconcile-all.ts'
import { unlimitedBudget } from '../../src/openedx/budget.ts'
import { startStandIn } from '../../src/sandbox/stand-in.ts'
import { control, DEMO } from '../harness.ts'
import { lmsAt } from './lms-at.ts'

const ALICE = 'alice@example.com'
const NOBODY = 'nobody@example.com'
const enrollment = (email: string, active: boolean) => ({ email, course: DEMO, mode: 'audit', active })
const allowance = (email: string, auto_enroll: boolean) => ({ email, course: DEMO, auto_enroll, used: false })

async function setUp(t: TestContext) {
  const standIn = await startStandIn({ throttle: 'off' })
  const lms = lmsAt(standIn.url)
  t.after(async () => {
    await lms.close()
    await standIn.close()
  })
  const context = { lms, acquire: () => unlimitedBudget().acquire(new AbortController().signal) }
  const check = async (email: string, result: CourseResult = 'enrolled'): Promise<Finding> => {
    const reported = { deliveryId: 'one', email, courses: { [DEMO]: result } }
    const checked = await checkReported({ ...context, reported })
    assert.ok('findings' in checked, 'the LMS could not be asked')
    const [finding] = checked.findings
    assert.ok(finding)
    return finding
  }
  return { ...control(standIn.url), context, check }
}

test('an active enrollment stands, whether reported as enrolled or allowed', async (t) => {
  const { seed, check } = await setUp(t)
  await seed({ enrollments: [enrollment(ALICE, true)] })
  assert.equal((await check(ALICE)).standing, 'stands')
  assert.equal((await check('Alice@Example.com', 'allowed')).standing, 'stands')
})

test('an inactive row means that someone unenrolled the person, and is not repaired', async (t) => {
  const { seed, check } = await setUp(t)
  await seed({ enrollments: [enrollment(ALICE, false)] })
  const finding = await check(ALICE)
  assert.equal(finding.standing, 'unenrolled')
  assert.equal(isRepairable(finding, { named: new Set([ALICE]) }), false)
})

test('an account without a row is repaired, in this course only', async (t) => {
  const { state, context, check } = await setUp(t)
  const finding = await check(ALICE)
  assert.equal(finding.standing, 'missing')
  assert.equal(isRepairable(finding, { named: new Set() }), true)
  assert.deepEqual(await repair({ ...context, finding }), { done: true, words: `enrolled in ${DEMO}` })
  const { enrollments } = await state()
  assert.deepEqual(
    enrollments.filter(({ email }) => email === ALICE),
    [enrollment(ALICE, true)],
  )
  assert.equal((await check(ALICE)).standing, 'stands')
})

test('the result for a person without an account stands if an allowance will enroll them', async (t) => {
  const { seed, check } = await setUp(t)
  await seed({ allowances: [allowance(NOBODY, true)] })
  assert.equal((await check(NOBODY, 'allowed')).standing, 'stands')
})

test('an allowance that is gone or enrolls nobody is repaired only for a named person', async (t) => {
  const { seed, state, context, check } = await setUp(t)
  for (const allowances of [[], [allowance(NOBODY, false)]]) {
    await seed({ allowances })
    const finding = await check(NOBODY, 'allowed')
    assert.equal(finding.standing, 'allowance_missing')
    assert.equal(isRepairable(finding, { named: new Set() }), false)
    assert.equal(isRepairable(finding, { named: new Set([NOBODY]) }), true)
  }
  assert.equal((await repair({ ...context, finding: await check(NOBODY, 'allowed') })).done, true)
  const { allowances } = await state()
  assert.deepEqual(
    allowances.filter(({ email }) => email === NOBODY),
    [allowance(NOBODY, true)],
  )
})

test('a repair doesn’t enroll a person who registered after a refund deleted the allowance', async (t) => {
  const { people, state, seed, context, check } = await setUp(t)
  for (const active of [false, true]) {
    await people({ email: NOBODY, username: 'newcomer', active })
    const finding = await check(NOBODY, 'allowed')
    assert.equal(finding.standing, 'allowance_missing', `active: ${active}`)
    assert.equal(isRepairable(finding, { named: new Set() }), false)
    assert.equal(isRepairable(finding, { named: new Set([NOBODY]) }), true)
  }
  assert.equal((await check(NOBODY, 'enrolled')).standing, 'missing')
  // An allowance that came too late for the activation makes no difference.
  await seed({ allowances: [allowance(NOBODY, true)] })
  assert.equal((await check(NOBODY, 'allowed')).standing, 'allowance_missing')
  assert.equal((await repair({ ...context, finding: await check(NOBODY, 'allowed') })).words, `enrolled in ${DEMO}`)
  assert.equal(
    (await state()).enrollments.some(({ email, active }) => email === NOBODY && active),
    true,
  )
})

test('the result for a person who has not activated stands while there is an allowance', async (t) => {
  const { people, seed, check } = await setUp(t)
  await people({ email: NOBODY, username: 'newcomer', active: false })
  await seed({ allowances: [allowance(NOBODY, true)] })
  assert.equal((await check(NOBODY, 'allowed')).standing, 'stands')
})

test('an allowance that another account has used does not stand', async (t) => {
  const { people, state, seed, context, check } = await setUp(t)
  await people({ email: NOBODY, username: 'newcomer', active: true })
  await seed({ allowances: [{ ...allowance(NOBODY, true), used: true }] })
  await people({ email: 'moved@example.com', username: 'newcomer', active: true, formerly: NOBODY })
  const finding = await check(NOBODY, 'allowed')
  assert.equal(finding.standing, 'allowance_missing')
  assert.equal((await repair({ ...context, finding })).done, true)
  assert.deepEqual((await state()).allowances, [allowance(NOBODY, true)])
})

test('an allowance for another address that the LMS takes for this one does not count', async (t) => {
  const { seed, check } = await setUp(t)
  await seed({ allowances: [allowance(NOBODY, true)] })
  assert.equal((await check('nobody@exämple.com', 'allowed')).standing, 'allowance_missing')
})

test('a person who was unenrolled between the check and the repair stays unenrolled', async (t) => {
  const { seed, state, context, check } = await setUp(t)
  const finding = await check(ALICE)
  await seed({ enrollments: [enrollment(ALICE, false)] })
  assert.deepEqual(await repair({ ...context, finding }), { done: false, words: `${DEMO}: person.unenrolled ${DEMO}` })
  assert.equal((await state()).enrollments.find(({ email }) => email === ALICE)?.active, false)
})

test('the enrollment of another account that the LMS matches to the address is not this buyer’s', async (t) => {
  const { seed, check } = await setUp(t)
  for (const active of [true, false]) {
    await seed({ enrollments: [enrollment(ALICE, active)] })
    for (const result of ['enrolled', 'allowed'] as const) {
      const finding = await check('alice@exämple.com', result)
      assert.equal(finding.standing, 'other_account')
      assert.equal(isRepairable(finding, { named: new Set(['alice@exämple.com']) }), false)
    }
  }
})

test('a missing account and a retired account are different standings', async (t) => {
  const { check } = await setUp(t)
  assert.equal((await check(NOBODY)).standing, 'account_gone')
  assert.equal((await check('retired@example.com')).standing, 'retired')
})

test('the list of enrollments is not requested for an address that the LMS would read as two', async (t) => {
  const { people, calls, forgetCalls, check } = await setUp(t)
  await people({ email: '"a,b"@example.com', username: 'odd', active: true })
  await forgetCalls()
  assert.equal((await check('"a,b"@example.com')).standing, 'unclear')
  assert.ok((await calls()).every(({ path }) => path !== '/api/enrollment/v1/enrollments'))
})

test('a failed call to the LMS is a failure, not a finding', async (t) => {
  const { faults, context } = await setUp(t)
  for (const path of ['/api/enrollment/v1/enrollments', '/api/user/v1/accounts']) {
    await faults([{ path, status: 503 }])
    const reported = { deliveryId: 'one', email: ALICE, courses: { [DEMO]: 'enrolled' } } as const
    const checked = await checkReported({ ...context, reported })
    assert.ok('failure' in checked, path)
    assert.equal(checked.failure.kind, 'unreachable')
  }
})

/** Runs reconcileAll for one delivery that was reported as enrolled, and gives how long it slept, in ms. */
async function reconcileOne({
  context,
  signal,
}: Pick<Awaited<ReturnType<typeof setUp>>, 'context'> & { signal: AbortSignal }) {
  const summary = {
    id: 'one',
    state: 'enrolled',
    email: ALICE,
    username: 'alice',
    courseIds: [DEMO],
    receivedAt: 0,
    activeAt: 0,
    attempts: 0,
    dueAt: null,
    outcome: { courses: { [DEMO]: 'enrolled' }, reason: null },
    webhookId: null,
  } as const
  const slept: number[] = []
  const findings: Reconciled[] = []
  const result = await reconcileAll({
    ...context,
    signal,
    operations: { list: async () => ({ items: [summary], next: null, searchedBackTo: null }) },
    since: null,
    fix: false,
    named: new Set(),
    sleep: async (ms) => void slept.push(ms),
    onFinding: async (finding) => void findings.push(finding),
    onProgress: () => {},
  })
  return { result, slept, findings }
}

test('reconcile waits out each throttle, for a minute if the LMS says nothing, until the LMS answers', async (t) => {
  const { faults, calls, forgetCalls, context } = await setUp(t)
  const path = '/api/enrollment/v1/enrollments'
  await faults([
    { path, status: 429, retryAfter: 7, times: 2 },
    { path, status: 429, times: 1, body: { detail: 'Request was throttled.' } },
  ])
  await forgetCalls()
  const { result, slept, findings } = await reconcileOne({ context, signal: new AbortController().signal })
  assert.deepEqual(slept, [7_000, 7_000, 60_000])
  assert.deepEqual(
    [result.deliveries, result.failure, findings.map(({ standing }) => standing)],
    [1, null, ['missing']],
  )
  const asked = (await calls()).filter((call) => call.path === path)
  assert.deepEqual(
    asked.map(({ status, count }) => `${status}: ${count}`),
    ['429: 3', '200: 1'],
  )
})

test('reconcile doesn’t wait for a throttle once the command has to end', async (t) => {
  const { faults, context } = await setUp(t)
  const stop = new AbortController()
  await faults([{ path: '/api/enrollment/v1/enrollments', status: 429, retryAfter: 7 }])
  const list = context.lms.enrollments
  const lms = {
    ...context.lms,
    enrollments: (...asked: Parameters<typeof list>) => list(...asked).finally(() => stop.abort()),
  }
  const { result, slept } = await reconcileOne({ context: { ...context, lms }, signal: stop.signal })
  assert.deepEqual(slept, [])
  assert.equal(result.failure?.kind, 'throttled')
})
