import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUND_OVER } from '../../../src/enroll/follow-up/follow-up.ts'
import { failed } from '../../../src/lms/client/failure.ts'
import { DEMO } from '../../harness.ts'
import { factsIn, setFacts } from '../../lines.ts'
import { only, START } from '../../queue/harness.ts'
import {
  ACCOUNTS,
  callsTo,
  DAY_MS,
  ENROLL,
  HONOR,
  history,
  LIST,
  MINUTE_MS,
  PYTHON,
  register,
  SEARCH,
  setUp,
} from './harness.ts'

const ADA = 'ada@x.example'
const allowance = (email: string, course = DEMO) => ({ email, course, auto_enroll: true, used: false })
const enrollment = (email: string, { course = DEMO, active = true } = {}) => ({ email, course, mode: 'audit', active })

test('a buyer without an account waits: the standing is stored, and nothing else changes', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  const before = await bench.row(id)
  bench.later(MINUTE_MS)
  await bench.round()
  assert.deepEqual({ ...(await bench.row(id)), standings: null }, { ...before, standings: null })
  assert.deepEqual((await bench.delivery(id)).standings, {
    [DEMO]: { standing: 'no_account', mode: null, checkedAt: bench.clock.at, since: bench.clock.at },
  })
  assert.deepEqual(await history(bench, id), [])
})

test('an unchanged standing is stored again after six hours, not in each round', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await bench.round()
  const first = await bench.delivery(id)
  bench.later(15 * MINUTE_MS)
  await bench.round()
  assert.deepEqual(await bench.delivery(id), first)
  bench.later(6 * 60 * MINUTE_MS)
  await bench.round()
  const { checkedAt, since } = (await bench.delivery(id)).standings[DEMO] ?? {}
  assert.deepEqual([checkedAt, since], [bench.clock.at, first.standings[DEMO]?.since])
})

test('a buyer who activates an account becomes enrolled, with the time since the sale', async (t) => {
  const bench = await setUp(t)
  await bench.seed({ allowances: [allowance(ADA)] })
  const id = await bench.sellOne({ email: ADA })
  await bench.round()
  await register(bench, ADA)
  bench.later(3 * DAY_MS + 4 * 60 * MINUTE_MS)
  await bench.round({}, { ...bench.context, hasOutbox: true })
  const { body } = only(await bench.db.selectFrom('outbox').select('body').execute())
  assert.equal(JSON.parse(body).data.secondsSinceSale, (3 * 24 + 4) * 3600)
  const { state, outcome, standings } = await bench.delivery(id)
  assert.deepEqual([state, outcome], ['enrolled', { courses: { [DEMO]: 'enrolled' }, reason: null }])
  assert.deepEqual([standings[DEMO]?.standing, standings[DEMO]?.mode], ['enrolled', 'audit'])
  assert.deepEqual(await history(bench, id), [`claimed: enrolled in ${DEMO}, 3 d 4 h after the sale`])
  assert.equal(bench.events.at(-1)?.timeToClaimMs, 3 * DAY_MS + 4 * 60 * MINUTE_MS)
  const { active_at, settled_at, done_at } = await bench.row(id)
  assert.deepEqual([active_at, settled_at], [bench.clock.at, bench.clock.at])
  assert.ok(done_at !== null && done_at < bench.clock.at, 'the time of the first success stays')
})

test('a buyer who has registered and not activated is one change in the timeline, however often it is seen', async (t) => {
  const bench = await setUp(t)
  await bench.seed({ allowances: [allowance(ADA)] })
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA, false)
  for (let round = 0; round < 4; round++) {
    await bench.round()
    bench.later(7 * 60 * MINUTE_MS)
  }
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'not_activated' })
  assert.equal((await bench.delivery(id)).state, 'pre_enrolled')
  assert.deepEqual(await history(bench, id), [`standing_changed: ${DEMO}: registered, not activated`])
})

test('a day after an account was first seen without an enrollment, the LMS is asked once a day whether it is active', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA, false)
  const asked: number[] = []
  for (let hours = 0; hours < 60; hours += 4) {
    await bench.forgetCalls()
    await bench.round()
    const [calls] = await callsTo(bench, ACCOUNTS)
    if (calls !== 0) asked.push(hours)
    bench.later(4 * 60 * MINUTE_MS)
  }
  assert.deepEqual(asked, [24, 48])
  await bench.activate(ADA) // without an allowance, nobody is enrolled
  bench.later(12 * 60 * MINUTE_MS)
  await bench.round()
  const { state, outcome } = await bench.delivery(id)
  assert.deepEqual([state, outcome.reason], ['needs_attention', { code: 'enrollment.missing', subject: DEMO }])
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'missing' })
})

test('an account that was seen only once before is asked about too, if that was a day ago', async (t) => {
  const bench = await setUp(t)
  await bench.sell([{ email: ADA }])
  await register(bench, ADA, false)
  const asked: number[] = []
  for (const hours of [0, 30, 49]) {
    bench.clock.at = START + hours * 60 * MINUTE_MS
    await bench.forgetCalls()
    await bench.round()
    asked.push(...(await callsTo(bench, ACCOUNTS)))
  }
  assert.deepEqual(asked, [0, 1, 1])
})

test('a buyer who activates between two calls of a check is not missing', async (t) => {
  const bench = await setUp(t)
  await bench.seed({ allowances: [allowance(ADA)] })
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA, false)
  for (let round = 0; round < 2; round++) {
    await bench.round()
    bench.later(12 * 60 * MINUTE_MS)
  }
  const account = async (email: string) => {
    await bench.activate(ADA)
    return bench.lms.account(email)
  }
  await bench.round({ lms: { ...bench.lms, account } })
  assert.equal((await bench.delivery(id)).state, 'enrolled')
})

test('an inactive enrollment means that someone unenrolled the buyer, and needs attention', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.round()
  const { state, outcome } = await bench.delivery(id)
  assert.deepEqual([state, outcome.reason], ['needs_attention', { code: 'person.unenrolled', subject: DEMO }])
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'unenrolled' })
  assert.equal((await history(bench, id)).length, 1)
})

test('an address that the LMS takes for another one’s needs attention, and the enrollment of that person does not count', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: 'ada@exämple.com' })
  await register(bench, 'ada@example.com')
  await bench.seed({ enrollments: [enrollment('ada@example.com')] })
  await bench.round()
  const { state, outcome } = await bench.delivery(id)
  const reason = { code: 'person.other_account', subject: 'a***@example.com' }
  assert.deepEqual([state, outcome.reason], ['needs_attention', reason])
})

test('of a mixed delivery, only the courses that wait are looked up, and each counts once it is there', async (t) => {
  const bench = await setUp(t)
  const OTHER = 'course-v1:Lernito+Closed+2026'
  const courses = { [DEMO]: 'enrolled', [PYTHON]: 'allowed', [OTHER]: 'allowed' } as const
  const id = await bench.sellOne({ email: ADA, courses })
  await register(bench, ADA, false)
  await bench.seed({ enrollments: [enrollment(ADA, { active: false }), enrollment(ADA, { course: PYTHON })] })
  await bench.round()
  const half = await bench.delivery(id)
  assert.equal(half.state, 'pre_enrolled')
  assert.deepEqual(half.outcome.courses, { [DEMO]: 'enrolled', [PYTHON]: 'enrolled', [OTHER]: 'allowed' })
  assert.deepEqual(await bench.standings(id), { [PYTHON]: 'enrolled', [OTHER]: 'not_activated' })
  await bench.seed({ enrollments: [enrollment(ADA, { course: OTHER })] })
  bench.later(15 * MINUTE_MS)
  await bench.round()
  assert.equal((await bench.delivery(id)).state, 'enrolled')
  assert.equal((await history(bench, id)).length, 2)
})

test('what changes a delivery during a check is newer, and stays', async (t) => {
  const bench = await setUp(t)
  const [handled = '', repeated = ''] = await bench.sell([{ email: ADA }, { email: 'bob@x.example' }])
  for (const email of [ADA, 'bob@x.example']) {
    await register(bench, email)
    await bench.seed({ enrollments: [enrollment(email)] })
  }
  const searchEmails = async (emails: readonly string[]) => {
    const found = await bench.lms.searchEmails(emails)
    await bench.operations.markHandled({ id: handled, as: 'settled', note: '', by: 'ada' })
    await bench.operations.replay({ ids: [repeated], by: 'ada' })
    return found
  }
  await bench.round({ lms: { ...bench.lms, searchEmails } })
  assert.equal((await bench.row(handled)).state, 'handled')
  const { standings } = await factsIn(bench.db, repeated)
  assert.deepEqual([(await bench.row(repeated)).state, standings], ['queued', {}])
  assert.ok(bench.events.every(({ kind }) => kind !== 'claimed'))
})

test('a check whose look-up began before a stored one changes nothing', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  const searchEmails = async (emails: readonly string[]) => {
    const found = await bench.lms.searchEmails(emails)
    await register(bench, ADA, false)
    bench.later(1)
    await bench.check([id])
    return found
  }
  await bench.seed({ allowances: [allowance(ADA)] })
  await bench.round({ lms: { ...bench.lms, searchEmails } })
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'not_activated' })
})

const _NO_ORDER = { generation: 0, refund_id: null }

test('a delivery with a pending withdrawal is left alone', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'ada' })
  await bench.round()
  assert.equal((await bench.row(id)).state, 'pre_enrolled')
  await bench.db
    .updateTable('delivery_lines')
    .set({ withdrawal_state: 'done', withdrawal_at: 1 })
    .where('withdrawal_state', '=', 'open')
    .execute()
  await bench.round()
  assert.equal((await bench.row(id)).state, 'needs_attention')
})

test('200 addresses take one call, and the enrollments of 100 people with an account one more', async (t) => {
  const people = Array.from({ length: 150 }, (_, n) => ({ email: `buyer${n}@x.example`, username: `buyer${n}` }))
  const bench = await setUp(t)
  await bench.sell(Array.from({ length: 1_100 }, (_, n) => ({ email: `buyer${n}@x.example` })))
  for (const { email, username } of people) await bench.people({ email, username, active: true })
  await bench.seed({ enrollments: people.map(({ email }) => enrollment(email)) })
  await bench.forgetCalls()
  const { deliveries, complete } = await bench.round()
  assert.deepEqual([deliveries, complete], [1_100, true])
  assert.deepEqual(await callsTo(bench, SEARCH, LIST, ACCOUNTS), [6, 2, 0])
  const rows = await bench.db.selectFrom('deliveries').select('state').execute()
  const lines = await bench.db.selectFrom('delivery_lines').select('standing').execute()
  assert.equal(rows.filter(({ state }) => state === 'enrolled').length, 150)
  assert.ok(lines.every(({ standing }) => standing !== null))
})

test('two deliveries of the same person cost no more calls than one', async (t) => {
  const bench = await setUp(t)
  const ids = await bench.sell([
    { email: ADA, order: 1 },
    { email: ADA, order: 2 },
  ])
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await bench.forgetCalls()
  await bench.round()
  assert.deepEqual(await callsTo(bench, SEARCH, LIST), [1, 1])
  for (const id of ids) assert.equal((await bench.row(id)).state, 'enrolled')
})

test('a course for which the LMS fails delays nobody in another one', async (t) => {
  const bench = await setUp(t)
  const [first = '', second = ''] = await bench.sell([
    { email: ADA, courses: { [PYTHON]: 'allowed' } },
    { email: 'bob@x.example' },
  ])
  for (const email of [ADA, 'bob@x.example']) await register(bench, email)
  await bench.seed({ enrollments: [enrollment(ADA, { course: PYTHON }), enrollment('bob@x.example')] })
  await bench.faults([{ path: LIST, status: 500, times: 1 }])
  const { failure, complete } = await bench.round()
  assert.deepEqual([failure?.kind, complete], ['server_error', true])
  assert.deepEqual([(await bench.row(first)).state, (await bench.row(second)).state].sort(), [
    'enrolled',
    'pre_enrolled',
  ])
  await bench.round()
  assert.equal((await bench.row(first)).state, 'enrolled')
  assert.equal((await bench.row(second)).state, 'enrolled')
})

test('a course for which the LMS fails ends no round, however many have bought it', async (t) => {
  const people = Array.from({ length: 301 }, (_, n) => ({ email: `buyer${n}@x.example`, username: `buyer${n}` }))
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await bench.sell(people.map(({ email }) => ({ email, courses: { [PYTHON]: 'allowed' as const } })))
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA)] })
  for (const { email, username } of people) await bench.people({ email, username, active: true })
  await bench.faults([{ path: LIST, naming: PYTHON, status: 500 }])
  const { failure, complete } = await bench.round()
  assert.deepEqual([failure?.kind, complete, (await bench.row(id)).state], ['server_error', true, 'enrolled'])
})

test('addresses that are asked for alone, and for which the LMS fails, delay nobody else', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  for (const name of ['bob', 'eve', 'joe']) {
    await bench.sellOne({ email: `${name}@exämple.com` })
    await register(bench, `${name}@example.com`)
  }
  const failing = failed({ kind: 'server_error', endpoint: ACCOUNTS, status: 500, message: 'The LMS failed' })
  const { failure, complete } = await bench.round({ lms: { ...bench.lms, account: async () => failing } })
  assert.deepEqual([failure?.kind, complete], ['server_error', false])
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'no_account' })
})

test('a course for which the LMS fails does not delay another sale to the same person', async (t) => {
  const bench = await setUp(t)
  const ids = await bench.sell([
    { email: ADA, courses: { [PYTHON]: 'allowed' } },
    { email: ADA, order: 2 },
  ])
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA, { course: PYTHON }), enrollment(ADA)] })
  await bench.faults([{ path: LIST, status: 500, times: 1 }])
  await bench.round()
  const states = await Promise.all(ids.map(async (id) => (await bench.row(id)).state))
  assert.deepEqual(states.sort(), ['enrolled', 'pre_enrolled'])
})

test('an LMS that is down ends the round at once, without a change', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await bench.faults([{ path: SEARCH, status: 503 }])
  const { failure, complete } = await bench.round()
  assert.deepEqual([failure?.kind, complete], ['unreachable', false])
  assert.deepEqual((await factsIn(bench.db, id)).standings, {})
})

test('a round that stops before any of its calls loses nothing and repeats nothing', async (t) => {
  const bench = await setUp(t)
  const emails = ['ada@x.example', 'bob@x.example', 'cy@x.example']
  const ids = await bench.sell(
    emails.map((email, n) => ({ email, courses: { [n === 2 ? PYTHON : DEMO]: 'allowed' as const } })),
  )
  await bench.sell([{ email: 'nobody@x.example' }])
  for (const [n, email] of emails.entries()) {
    await register(bench, email)
    await bench.seed({ enrollments: [enrollment(email, { course: n === 2 ? PYTHON : DEMO, active: n !== 1 })] })
  }
  let made = 0
  for (let stopBefore = 1; ; stopBefore++) {
    made = 0
    const beforeCall = async (): Promise<void> => {
      if (++made === stopBefore) throw ROUND_OVER
    }
    const { complete } = await bench.round({ beforeCall })
    if (complete) break
  }
  assert.ok(made >= 1)
  const states = await Promise.all(ids.map(async (id) => (await bench.row(id)).state))
  assert.deepEqual(states, ['enrolled', 'needs_attention', 'enrolled'])
  for (const id of ids) assert.equal((await history(bench, id)).length, 1)
})

/** The setting wants this mode in every course. */
const asking = { modeOf: () => 'honor' }

test('a buyer who was pre-enrolled and lacks the mode of the setting is told of, and the sale starts again for this course', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [DEMO]: 'enrolled', [HONOR]: 'allowed' } })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA), enrollment(ADA, { course: HONOR })] })
  await bench.forgetCalls()
  await bench.round(asking)
  assert.deepEqual(await callsTo(bench, ENROLL), [0], 'a round itself changes nothing in the LMS')
  const { outcome, standings } = await bench.delivery(id)
  assert.deepEqual([outcome.courses, standings[HONOR]?.standing], [{ [DEMO]: 'enrolled' }, 'enrolled'])
  const { state, due_at, reads_first, generation } = await bench.row(id)
  assert.deepEqual([state, due_at, reads_first, generation], ['queued', bench.clock.at, 1, 1])
  assert.deepEqual(await history(bench, id), [
    `standing_changed: ${HONOR}: enrolled (audit)`,
    `repair_started: another course mode in ${HONOR}`,
  ])
})

test('a buyer who lacks the mode of the setting starts the sale again, also if an earlier look could not', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'allowed' } })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA, { course: HONOR })] })
  const at = bench.clock.at
  const standing = { standing: 'enrolled', mode: 'audit', checkedAt: at, since: at } as const
  await setFacts(bench.db, id, { courses: { [HONOR]: 'allowed' }, standings: { [HONOR]: standing } })
  await bench.round(asking)
  assert.equal((await bench.row(id)).state, 'queued')
})

test('that the buyer was unenrolled from one course comes before the mode that another one lacks', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [DEMO]: 'allowed', [PYTHON]: 'allowed' } })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA), enrollment(ADA, { course: PYTHON, active: false })] })
  await bench.round(asking)
  assert.deepEqual((await bench.delivery(id)).outcome.reason, { code: 'person.unenrolled', subject: PYTHON })
})

test('a paid mode that the buyer has by now stays', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'allowed' } })
  await register(bench, ADA)
  await bench.seed({ enrollments: [{ ...enrollment(ADA, { course: HONOR }), mode: 'verified' }] })
  await bench.round(asking)
  assert.equal((await bench.row(id)).state, 'enrolled')
})
