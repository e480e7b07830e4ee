import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Finding, reconcile } from '../../../src/enroll/follow-up/reconcile.ts'
import { claimOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../../src/queue/withdrawals/end-order.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import type { CourseResult } from '../../../src/sale/line.ts'
import { DEMO } from '../../harness.ts'
import { setFacts } from '../../lines.ts'
import { acquire, type FollowUp, history, LIST, PYTHON, register, setUp, unexpected, withRepair } from './harness.ts'

const ALICE = 'alice@example.com'
const NOBODY = 'nobody@example.com'
const GONE = 'course-v1:No+Such+Course'
const enrollment = (email: string, active: boolean) => ({ email, course: DEMO, mode: 'audit', active })
const allowance = (email: string, auto_enroll: boolean, course = DEMO) => ({ email, course, auto_enroll, used: false })

type Options = Partial<Parameters<typeof reconcile>[0]>

/** Runs reconcile. Gives the result, the findings that need an operator, and how long it slept, in ms. */
async function reconciled({ context, replicas, lms }: FollowUp, options: Options = {}) {
  const findings: Finding[] = []
  const slept: number[] = []
  const result = await reconcile({
    context,
    replicas,
    guard: (work) => work(),
    onError: unexpected,
    landsMs: 60_000,
    lms,
    acquire,
    modeOf: () => null,
    since: null,
    fix: false,
    named: new Set(),
    by: 'ada',
    signal: new AbortController().signal,
    sleep: async (ms) => void slept.push(ms),
    onFinding: (finding) => void findings.push(finding),
    onProgress: () => {},
    ...options,
  })
  return { ...result, findings, slept }
}

/** A sale to this person with this result, and a way to reconcile it. */
async function soldTo(t: TestContext, email: string, result: CourseResult) {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email, courses: { [DEMO]: result } })
  return { ...bench, id, run: (options: Options = {}) => reconciled(bench, options) }
}

const enrolledIn = async ({ state }: Pick<FollowUp, 'state'>, email: string): Promise<boolean[]> =>
  (await state()).enrollments.filter((one) => one.email === email).map(({ active }) => active)

test('what stands is counted and stored, and is no finding', async (t) => {
  const bench = await setUp(t)
  const [, second = '', third = ''] = await bench.sell([
    { email: ALICE, courses: { [DEMO]: 'enrolled' } },
    { email: NOBODY },
    { email: 'bob@x.example' },
  ])
  await register(bench, 'bob@x.example', false)
  await bench.seed({
    enrollments: [enrollment(ALICE, true)],
    allowances: [allowance(NOBODY, true), allowance('bob@x.example', true)],
  })
  const { counts, findings, deliveries } = await reconciled(bench)
  assert.deepEqual([deliveries, findings], [3, []])
  assert.deepEqual(counts, { enrolled: 1, no_account: 1, not_activated: 1 })
  assert.deepEqual(await bench.standings(second), { [DEMO]: 'no_account' })
  assert.deepEqual(await bench.standings(third), { [DEMO]: 'not_activated' })
})

test('what a sale that needs attention has enrolled is checked and repaired, too', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ALICE, courses: { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' } })
  // One course was refused, the other enrolled.
  await setFacts(bench.db, id, { courses: { [DEMO]: 'enrolled' } })
  const reason = {
    state: 'needs_attention',
    reason: 'lms.refused',
    reason_text: 'full',
    reason_course: PYTHON,
  } as const
  await bench.db.updateTable('deliveries').set(reason).where('id', '=', id).execute()
  const found = await reconciled(bench)
  assert.deepEqual([found.deliveries, found.counts, found.unrepaired], [1, { missing: 1 }, 1])
  const fixed = await reconciled(bench, { fix: true })
  assert.deepEqual([fixed.repaired, await enrolledIn(bench, ALICE)], [1, [true]])
  assert.equal((await bench.delivery(id)).state, 'needs_attention')
})

test('a course whose refund has failed is not given back when its enrollment is missing', async (t) => {
  const { run, ...bench } = await soldTo(t, ALICE, 'enrolled')
  const { context } = bench
  await storeRefund(context, { request: { email: ALICE, courseIds: [DEMO] }, digest: 'refund' })
  const order = await claimOrder(bench)
  assert(order)
  await endOrder(context, { order, attempted: { results: new Map(), message: 'no answer' }, isLate: false })
  order.holds.ended([order.person])
  const { repaired, counts, unrepaired } = await run({ fix: true })
  assert.deepEqual([repaired, counts, unrepaired, await enrolledIn(bench, ALICE)], [0, { missing: 1 }, 0, []])
})

test('an inactive row means that someone unenrolled the person, and is not repaired', async (t) => {
  const { seed, run, delivery, id, state } = await soldTo(t, ALICE, 'enrolled')
  await seed({ enrollments: [enrollment(ALICE, false)] })
  const { findings, unrepaired } = await run({ fix: true, named: new Set([ALICE]) })
  assert.deepEqual(
    findings.map(({ standing, repaired }) => [standing, repaired]),
    [['unenrolled', null]],
  )
  assert.equal(unrepaired, 0)
  assert.equal((await delivery(id)).state, 'enrolled', 'only the buyers who wait change their state')
  assert.deepEqual(await enrolledIn({ state }, ALICE), [false])
})

test('an account without a row is repaired, in this course only, and is known to be enrolled afterwards', async (t) => {
  const bench = await soldTo(t, ALICE, 'enrolled')
  const first = await bench.run()
  assert.deepEqual([first.counts, first.unrepaired], [{ missing: 1 }, 1])
  assert.deepEqual(await bench.standings(bench.id), { [DEMO]: 'missing' })
  const { repaired, unrepaired, findings } = await bench.run({ fix: true })
  assert.deepEqual([repaired, unrepaired, findings[0]?.words], [1, 0, `enrolled in ${DEMO}`])
  assert.deepEqual(await enrolledIn(bench, ALICE), [true])
  assert.deepEqual(await bench.standings(bench.id), { [DEMO]: 'enrolled' })
  assert.deepEqual(await history(bench, bench.id), [
    `access_ended: ${DEMO}: not enrolled`,
    `repaired: enrolled in ${DEMO}`,
    `access_restored: ${DEMO}: enrolled (audit)`,
  ])
})

test('a repair in a course that lacks the mode of the setting enrolls the person, and says so', async (t) => {
  const bench = await soldTo(t, ALICE, 'enrolled')
  const { repaired, unrepaired, findings } = await bench.run({ fix: true, modeOf: () => 'verified' })
  const words = `enrolled in ${DEMO}; ${DEMO} does not have the course mode that LERNITO_COURSE_MODE names`
  assert.deepEqual([repaired, unrepaired, findings[0]?.words], [1, 0, words])
  assert.deepEqual(await enrolledIn(bench, ALICE), [true])
  assert.ok((await history(bench, bench.id)).includes(`repaired: ${words}`))
  assert.deepEqual(await bench.standings(bench.id), { [DEMO]: 'enrolled' })
})

test('an allowance that is gone or enrolls nobody is made again only for a named person', async (t) => {
  for (const allowances of [[], [allowance(NOBODY, false)]]) {
    const bench = await soldTo(t, NOBODY, 'allowed')
    await bench.seed({ allowances })
    const found = await bench.run({ fix: true })
    assert.deepEqual([found.counts, found.repaired, found.unrepaired], [{ missing: 1 }, 0, 1])
    assert.deepEqual((await bench.state()).allowances, allowances)
    assert.equal((await bench.delivery(bench.id)).state, 'pre_enrolled')
    const named = await bench.run({ fix: true, named: new Set([NOBODY]) })
    assert.deepEqual([named.repaired, named.unrepaired], [1, 0])
    assert.deepEqual((await bench.state()).allowances, [allowance(NOBODY, true)])
    assert.deepEqual(await bench.standings(bench.id), { [DEMO]: 'no_account' })
  }
})

test('an allowance that the buyer has used is made again for a named person only after the buyer left the course', async (t) => {
  const bench = await soldTo(t, NOBODY, 'allowed')
  const [open, moved] = [allowance(NOBODY, true), 'moved@example.com']
  await bench.seed({ allowances: [open] })
  await register(bench, NOBODY)
  await bench.address({ formerly: NOBODY, email: moved })
  await bench.run({ fix: true, named: new Set([NOBODY]) })
  assert.deepEqual((await bench.state()).allowances, [{ ...open, used: true }])
  await bench.seed({ enrollments: [enrollment(moved, false)] })
  await bench.run({ fix: true, named: new Set([NOBODY]) })
  assert.deepEqual((await bench.state()).allowances, [open])
})

test('a round of the follow-up, which does not read allowances, keeps the finding that one is missing', async (t) => {
  const bench = await soldTo(t, NOBODY, 'allowed')
  await bench.run()
  bench.later(1)
  await bench.round()
  assert.deepEqual(await bench.standings(bench.id), { [DEMO]: 'missing' })
  await register(bench, NOBODY, false)
  await bench.round()
  assert.deepEqual(await bench.standings(bench.id), { [DEMO]: 'missing' })
})

test('a person who registered after a refund deleted the allowance is enrolled only if named, and the delivery follows', async (t) => {
  const bench = await soldTo(t, NOBODY, 'allowed')
  await register(bench, NOBODY)
  const found = await bench.run({ fix: true })
  assert.deepEqual([found.counts, found.repaired], [{ missing: 1 }, 0])
  const { state, outcome } = await bench.delivery(bench.id)
  assert.deepEqual([state, outcome.reason?.code], ['needs_attention', 'enrollment.missing'])
  const named = await bench.run({ fix: true, named: new Set([NOBODY]) })
  assert.deepEqual([named.deliveries, named.findings[0]?.words], [1, `enrolled in ${DEMO}`])
  assert.equal((await bench.delivery(bench.id)).state, 'enrolled')
})

test('an account without a row whose owner changed its address since is not enrolled under the old address', async (t) => {
  const bench = await soldTo(t, NOBODY, 'enrolled')
  const found = await bench.run({ fix: true })
  assert.deepEqual([found.counts, found.repaired, found.unrepaired], [{ missing: 1 }, 0, 0])
  assert.deepEqual((await bench.state()).allowances, [])
})

test('what an account that left its address has lost is not made for whoever has the address now', async (t) => {
  const bench = await setUp(t)
  await register(bench, NOBODY)
  const found = await bench.lms.account(NOBODY)
  assert.ok(found.ok && 'id' in found.value && found.value.id !== undefined)
  const { id, username } = found.value
  await bench.sellOne({ email: NOBODY, courses: { [DEMO]: 'enrolled' }, accounts: { [DEMO]: { id, username } } })
  await bench.address({ formerly: NOBODY, email: 'moved@example.com' })
  await bench.people({ email: NOBODY, username: 'second', active: true })
  const { counts, repaired, unrepaired } = await reconciled(bench, { fix: true })
  assert.deepEqual([counts, repaired, unrepaired], [{ missing: 1 }, 0, 0])
  assert.deepEqual(await enrolledIn(bench, NOBODY), [])
})

test('an allowance for another address that the LMS takes for this one does not count', async (t) => {
  const bench = await soldTo(t, 'nobody@exämple.com', 'allowed')
  await bench.seed({ allowances: [allowance(NOBODY, true)] })
  assert.deepEqual((await bench.run()).counts, { missing: 1 })
})

test('a person who was unenrolled between the check and the repair stays unenrolled', async (t) => {
  const bench = await soldTo(t, ALICE, 'enrolled')
  const lms = withRepair(bench.lms, () => bench.seed({ enrollments: [enrollment(ALICE, false)] }))
  const { findings } = await bench.run({ fix: true, lms })
  assert.deepEqual(
    findings.map(({ repaired, words }) => [repaired, words]),
    [[false, `${DEMO}: person.unenrolled ${DEMO}`]],
  )
  assert.deepEqual(await enrolledIn(bench, ALICE), [false])
})

test('the enrollment of another account that the LMS matches to the address is not this buyer’s', async (t) => {
  const bench = await soldTo(t, 'alice@exämple.com', 'enrolled')
  await bench.seed({ enrollments: [enrollment(ALICE, true)] })
  const { counts, repaired } = await bench.run({ fix: true, named: new Set(['alice@exämple.com']) })
  assert.deepEqual([counts, repaired], [{ other_account: 1 }, 0])
})

test('a retired account is told from one that never was', async (t) => {
  assert.deepEqual((await (await soldTo(t, 'retired@example.com', 'enrolled')).run()).counts, { retired: 1 })
})

test('four people or more are searched in one call, with the same result', async (t) => {
  const bench = await setUp(t)
  await bench.sell([
    { email: ALICE, courses: { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' } },
    { email: 'erin@example.com', courses: { [DEMO]: 'enrolled' } },
    { email: 'retired@example.com', courses: { [DEMO]: 'enrolled' } },
    { email: NOBODY },
    { email: 'alice@exämple.com' },
  ])
  await bench.seed({
    enrollments: [enrollment(ALICE, true), enrollment('erin@example.com', false)],
    allowances: [allowance(NOBODY, true)],
  })
  const { counts } = await reconciled(bench)
  assert.deepEqual(counts, { enrolled: 1, missing: 1, unenrolled: 1, retired: 1, no_account: 1, other_account: 1 })
})

test('a course that a person bought twice is counted once, and both deliveries know its standing', async (t) => {
  const bench = await setUp(t)
  const ids = await bench.sell(
    [1, 2].map((order) => ({ email: ALICE, order, courses: { [DEMO]: 'enrolled' as const } })),
  )
  await bench.seed({ enrollments: [enrollment(ALICE, true)] })
  const { counts, deliveries } = await reconciled(bench)
  assert.deepEqual([counts, deliveries], [{ enrolled: 1 }, 2])
  for (const id of ids) assert.deepEqual(await bench.standings(id), { [DEMO]: 'enrolled' })
})

test('two sales to one person that are checked together keep their own courses', async (t) => {
  const bench = await setUp(t)
  const [one = '', two = ''] = await bench.sell([
    { email: ALICE, courses: { [DEMO]: 'enrolled' } },
    { email: ALICE, order: 2, courses: { [PYTHON]: 'enrolled' } },
  ])
  await bench.seed({ enrollments: [enrollment(ALICE, true)] })
  await reconciled(bench)
  assert.deepEqual(await bench.standings(one), { [DEMO]: 'enrolled' })
  assert.deepEqual(await bench.standings(two), { [PYTHON]: 'missing' })
})

test('an allowance for a course that the LMS no longer has is found, and deleted with --fix', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: NOBODY, courses: { [GONE]: 'allowed', [DEMO]: 'allowed' } })
  await bench.seed({ allowances: [allowance(NOBODY, true, GONE), allowance(NOBODY, true)] })
  await bench.people({ email: NOBODY, username: 'newcomer', active: false })
  await assert.rejects(bench.activate(NOBODY), /allowance for/)
  const found = await reconciled(bench)
  assert.deepEqual([found.counts, found.unrepaired], [{ dangling: 1, not_activated: 1 }, 1])
  assert.equal((await bench.delivery(id)).state, 'pre_enrolled')
  const { repaired } = await reconciled(bench, { fix: true })
  assert.equal(repaired, 1)
  assert.deepEqual((await bench.state()).allowances, [allowance(NOBODY, true)])
  const { state, outcome } = await bench.delivery(id)
  const reason = { code: 'course.missing', subject: GONE }
  assert.deepEqual([state, outcome], ['needs_attention', { courses: { [DEMO]: 'allowed' }, reason }])
  await bench.activate(NOBODY)
  assert.deepEqual(await enrolledIn(bench, NOBODY), [true])
})

test('an allowance whose course is back by its turn is left to its buyer', async (t) => {
  const bench = await setUp(t)
  await bench.sell([NOBODY, 'other@example.com'].map((email) => ({ email, courses: { [PYTHON]: 'allowed' as const } })))
  await bench.seed({ allowances: [allowance(NOBODY, true, PYTHON), allowance('other@example.com', true, PYTHON)] })
  let asked = 0
  const course: FollowUp['lms']['course'] = async (key) =>
    ++asked === 1 ? { ok: true, value: null } : bench.lms.course(key)
  const { counts, repaired } = await reconciled(bench, { fix: true, lms: { ...bench.lms, course } })
  assert.deepEqual([counts, repaired], [{ dangling: 1, no_account: 1 }, 1])
  assert.equal((await bench.state()).allowances.length, 1)
})

test('of two courses that the LMS no longer has, both allowances go, and the sale reports neither', async (t) => {
  const bench = await setUp(t)
  const gone = [GONE, 'course-v1:No+Such+Course2']
  const id = await bench.sellOne({ email: NOBODY, courses: Object.fromEntries(gone.map((one) => [one, 'allowed'])) })
  await bench.seed({ allowances: gone.map((one) => allowance(NOBODY, true, one)) })
  const { repaired } = await reconciled(bench, { fix: true })
  assert.deepEqual([repaired, (await bench.state()).allowances], [2, []])
  const { state, outcome } = await bench.delivery(id)
  assert.deepEqual([state, outcome.courses], ['needs_attention', {}])
})

test('a sale that needs attention loses such an allowance, too, and keeps its reason', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: NOBODY, courses: { [GONE]: 'allowed', [PYTHON]: 'allowed' } })
  await setFacts(bench.db, id, { courses: { [GONE]: 'allowed' } })
  const reason = { reason: 'lms.refused', reason_text: 'full', reason_course: PYTHON } as const
  await bench.db
    .updateTable('deliveries')
    .set({ state: 'needs_attention', ...reason })
    .execute()
  await bench.seed({ allowances: [allowance(NOBODY, true, GONE)] })
  const { repaired } = await reconciled(bench, { fix: true })
  assert.deepEqual([repaired, (await bench.state()).allowances], [1, []])
  const { outcome } = await bench.delivery(id)
  assert.deepEqual([outcome.courses, outcome.reason?.code], [{}, 'lms.refused'])
})

test('a failed call to the LMS ends the check with the failure', async (t) => {
  const bench = await soldTo(t, ALICE, 'enrolled')
  await bench.faults([{ path: LIST, status: 503 }])
  const { failure, deliveries } = await bench.run()
  assert.deepEqual([failure?.kind, deliveries], ['unreachable', 0])
})

test('reconcile waits out each throttle, for a minute if the LMS says nothing, until the LMS answers', async (t) => {
  const bench = await soldTo(t, ALICE, 'enrolled')
  await bench.faults([
    { path: LIST, status: 429, retryAfter: 7, times: 2 },
    { path: LIST, status: 429, times: 1, body: { detail: 'Request was throttled.' } },
  ])
  await bench.forgetCalls()
  const { slept, failure, counts } = await bench.run()
  assert.deepEqual(slept, [7_000, 7_000, 60_000])
  assert.deepEqual([failure, counts], [null, { missing: 1 }])
})

test('reconcile doesn’t wait for a throttle once the command has to end', async (t) => {
  const bench = await soldTo(t, ALICE, 'enrolled')
  const stop = new AbortController()
  await bench.faults([{ path: LIST, status: 429, retryAfter: 7 }])
  const list = bench.lms.enrollmentsOfCourse
  const lms = {
    ...bench.lms,
    enrollmentsOfCourse: (...asked: Parameters<typeof list>) => list(...asked).finally(() => stop.abort()),
  }
  const { slept, failure } = await bench.run({ lms, signal: stop.signal })
  assert.deepEqual([slept, failure?.kind], [[], 'throttled'])
})
