import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Finding, reconcile } from '../../../src/enroll/follow-up/reconcile.ts'
import { forget } from '../../../src/operators/changes/forget.ts'
import { claimOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../../src/queue/withdrawals/end-order.ts'
import { storeRefund } from '../../../src/queue/withdrawals/store-refund.ts'
import type { CourseResult } from '../../../src/sale/line.ts'
import { DEMO } from '../../harness.ts'
import { setFacts } from '../../lines.ts'
import { accepted, arrival, settled, succeeded } from '../../queue/harness.ts'
import { acquire, type FollowUp, history, LIST, PYTHON, register, setUp } from './harness.ts'

const ALICE = 'alice@example.com'
const NOBODY = 'nobody@example.com'
const GONE = 'course-v1:No+Such+Course'
const enrollment = (email: string, active: boolean) => ({ email, course: DEMO, mode: 'audit', active })
const allowance = (email: string, auto_enroll: boolean, course = DEMO) => ({ email, course, auto_enroll, used: false })

type Options = Partial<Parameters<typeof reconcile>[0]>

/** Runs reconcile. Gives the result, the findings that need an operator, and how long it slept, in ms. */
async function reconciled({ context, lms }: FollowUp, options: Options = {}) {
  const findings: Finding[] = []
  const slept: number[] = []
  const result = await reconcile({
    context,
    guard: (work) => work(),
    lms,
    acquire,
    modeOf: () => null,
    since: null,
    fix: false,
    by: 'ada',
    signal: new AbortController().signal,
    sleep: async (ms) => void slept.push(ms),
    onFinding: (finding) => void findings.push(finding),
    onProgress: () => {},
    ...options,
  })
  return { ...result, findings, slept }
}

/** One that starts again for the courses that have no result yet. */
const QUEUED = ['queued', { courses: {}, reason: null }]

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

test('what a sale that needs attention has enrolled is checked, and its repair is started, too', async (t) => {
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
  assert.equal(fixed.repairing, 1)
  assert.deepEqual([(await bench.row(id)).state, (await bench.delivery(id)).outcome], QUEUED)
})

test('a course whose refund has failed is not given back when its enrollment is missing', async (t) => {
  const { run, ...bench } = await soldTo(t, ALICE, 'enrolled')
  const { context } = bench
  await storeRefund(context, { request: { email: ALICE, courseIds: [DEMO] }, digest: 'refund' })
  const order = await claimOrder(bench)
  assert(order)
  await endOrder(context, { order, attempted: { results: new Map(), message: 'no answer' }, isLate: false })
  order.holds.ended([order.person])
  const { repairing, counts, unrepaired } = await run({ fix: true })
  assert.deepEqual([repairing, counts, unrepaired], [0, { missing: 1 }, 0])
})

test('an inactive row means that someone unenrolled the person, and is not repaired', async (t) => {
  const { seed, run, delivery, id, state } = await soldTo(t, ALICE, 'enrolled')
  await seed({ enrollments: [enrollment(ALICE, false)] })
  const { findings, unrepaired } = await run({ fix: true })
  assert.deepEqual(
    findings.map(({ standing, repairing }) => [standing, repairing]),
    [['unenrolled', false]],
  )
  assert.equal(unrepaired, 0)
  assert.equal((await delivery(id)).state, 'enrolled', 'only the buyers who wait change their state')
  assert.deepEqual(await enrolledIn({ state }, ALICE), [false])
})

test('with fix, a sale whose buyer has an account without a row starts again for this course, and reads first', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ALICE, courses: { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' } })
  await bench.seed({ enrollments: [{ ...enrollment(ALICE, true), course: PYTHON }] })
  const first = await reconciled(bench)
  assert.deepEqual([first.counts, first.unrepaired], [{ enrolled: 1, missing: 1 }, 1])
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'missing', [PYTHON]: 'enrolled' })
  const { repairing, unrepaired } = await reconciled(bench, { fix: true })
  assert.deepEqual([repairing, unrepaired], [1, 0])
  const { state, reads_first, due_at, attempts, generation } = await bench.row(id)
  assert.deepEqual([state, reads_first, due_at, attempts, generation], ['queued', 1, bench.clock.at, 0, 1])
  assert.deepEqual((await bench.delivery(id)).outcome.courses, { [PYTHON]: 'enrolled' })
  assert.deepEqual(await history(bench, id), [`access_ended: ${DEMO}: not enrolled`, `repair_started: ${DEMO}`])
  assert.deepEqual(await enrolledIn(bench, ALICE), [true], 'reconcile itself changes nothing in the LMS')
})

test('a repair leaves what is known of the other courses, also that the buyer has lost one', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ALICE, courses: { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' } })
  await bench.seed({ enrollments: [enrollment(ALICE, false)] })
  assert.equal((await reconciled(bench, { fix: true })).repairing, 1)
  const outcome = { courses: { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' }, reason: null } as const
  await bench.store.write([settled({ ...succeeded(id, 'enrolled', 1), outcome })])
  const { standings } = await bench.delivery(id)
  const endedAt = standings[DEMO]?.endedAt
  assert.ok(endedAt !== undefined)
  assert.deepEqual([(await bench.row(id)).ended_at, Object.keys(standings)], [endedAt, [DEMO]])
})

/** The shop sends the sale again, and it is attempted with success. */
async function enrolledAgain({ store }: FollowUp, id: string): Promise<void> {
  await store.write([accepted(arrival({ email: ALICE, courseIds: [DEMO] }))])
  await store.write([
    settled({ ...succeeded(id, 'enrolled', 1), outcome: { courses: { [DEMO]: 'enrolled' }, reason: null } }),
  ])
}

/** What can come between the check of a delivery and its repair. */
const MEANWHILE: readonly (readonly [string, (bench: FollowUp, id: string) => Promise<unknown>])[] = [
  ['is to be withdrawn', ({ operations }, id) => operations.withdraw({ id, courses: null, paid: true, by: 'ada' })],
  ['is handled', ({ operations }, id) => operations.markHandled({ id, as: 'settled', note: 'by hand', by: 'ada' })],
  ['is sent again', ({ store }) => store.write([accepted(arrival({ email: ALICE, courseIds: [DEMO] }))])],
  ['is sent again and enrolled', enrolledAgain],
  ['is erased', ({ context }) => forget(context, { email: ALICE, by: 'ada', silentMs: 0, landsMs: 0 })],
]
for (const [happens, act] of MEANWHILE) {
  test(`no repair is started for a delivery that ${happens} after it was checked`, async (t) => {
    const bench = await soldTo(t, ALICE, 'enrolled')
    const stored = () => bench.db.selectFrom('deliveries').selectAll().execute()
    let after: unknown
    let steps = 0
    const guard = async <T>(work: () => Promise<T>): Promise<T> => {
      const result = await work()
      // The third step stores the check, after the two that read the delivery.
      if (++steps !== 3) return result
      await act(bench, bench.id)
      after = await stored()
      return result
    }
    const { repairing, unrepaired } = await bench.run({ fix: true, guard })
    assert.deepEqual([repairing, unrepaired], [0, 1])
    assert.deepEqual(await stored(), after)
  })
}

test('a missing allowance is a finding, and its repair is not started: it may have been deleted for a refund', async (t) => {
  for (const allowances of [[], [allowance(NOBODY, false)]]) {
    const bench = await soldTo(t, NOBODY, 'allowed')
    await bench.seed({ allowances })
    const found = await bench.run({ fix: true })
    assert.deepEqual([found.counts, found.repairing, found.unrepaired], [{ missing: 1 }, 0, 1])
    assert.equal((await bench.delivery(bench.id)).state, 'pre_enrolled')
  }
})

test('who has used the allowance, and left the address since, has the course', async (t) => {
  const bench = await soldTo(t, NOBODY, 'allowed')
  await bench.seed({ allowances: [allowance(NOBODY, true)] })
  await register(bench, NOBODY)
  await bench.address({ formerly: NOBODY, email: 'moved@example.com' })
  const { counts, findings } = await bench.run({ fix: true })
  assert.deepEqual([counts, findings], [{ enrolled: 1 }, []])
  assert.equal((await bench.delivery(bench.id)).state, 'enrolled')
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

test('a person who registered after a refund deleted the allowance needs attention, and is not repaired', async (t) => {
  const bench = await soldTo(t, NOBODY, 'allowed')
  await register(bench, NOBODY)
  const found = await bench.run({ fix: true })
  assert.deepEqual([found.counts, found.repairing], [{ missing: 1 }, 0])
  const { state, outcome } = await bench.delivery(bench.id)
  assert.deepEqual([state, outcome.reason?.code], ['needs_attention', 'enrollment.missing'])
})

test('an account without a row whose owner changed its address since is not enrolled under the old address', async (t) => {
  const bench = await soldTo(t, NOBODY, 'enrolled')
  const found = await bench.run({ fix: true })
  assert.deepEqual([found.counts, found.repairing, found.unrepaired], [{ missing: 1 }, 0, 0])
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
  const { counts, repairing, unrepaired } = await reconciled(bench, { fix: true })
  assert.deepEqual([counts, repairing, unrepaired], [{ missing: 1 }, 0, 0])
  assert.deepEqual(await enrolledIn(bench, NOBODY), [])
})

test('an allowance for another address that the LMS takes for this one does not count', async (t) => {
  const bench = await soldTo(t, 'nobody@exämple.com', 'allowed')
  await bench.seed({ allowances: [allowance(NOBODY, true)] })
  assert.deepEqual((await bench.run()).counts, { missing: 1 })
})

test('the enrollment of another account that the LMS matches to the address is not this buyer’s', async (t) => {
  const bench = await soldTo(t, 'alice@exämple.com', 'enrolled')
  await bench.seed({ enrollments: [enrollment(ALICE, true)] })
  const { counts, repairing } = await bench.run({ fix: true })
  assert.deepEqual([counts, repairing], [{ other_account: 1 }, 0])
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

test('an allowance for a course that the LMS no longer has is found, and is left to an operator', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: NOBODY, courses: { [GONE]: 'allowed', [DEMO]: 'allowed' } })
  await bench.seed({ allowances: [allowance(NOBODY, true, GONE), allowance(NOBODY, true)] })
  await bench.people({ email: NOBODY, username: 'newcomer', active: false })
  await assert.rejects(bench.activate(NOBODY), /allowance for/)
  const found = await reconciled(bench, { fix: true })
  assert.deepEqual([found.counts, found.repairing, found.unrepaired], [{ dangling: 1, not_activated: 1 }, 0, 1])
  assert.equal((await bench.delivery(id)).state, 'pre_enrolled')
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
