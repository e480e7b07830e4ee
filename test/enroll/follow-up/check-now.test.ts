import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readReported } from '../../../src/enroll/follow-up/reported.ts'
import { DEMO } from '../../harness.ts'
import { factsIn } from '../../lines.ts'
import { accepted, arrival, needsAttention, only, rejectedArrival, settled } from '../../queue/harness.ts'
import { ACCOUNTS, callsTo, HONOR, history, LIST, PYTHON, register, setUp } from './harness.ts'

const ADA = 'ada@x.example'
const ALLOWANCES = '/api/enrollment/v1/enrollment_allowed/'
const allowance = (email: string, course = DEMO) => ({ email, course, auto_enroll: true, used: false })
const enrollment = (email: string, { course = DEMO, active = true } = {}) => ({ email, course, mode: 'audit', active })

test('check now finds what the LMS has, stores it and says who asked', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' } })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA), enrollment(ADA, { course: PYTHON, active: false })] })
  const before = await bench.row(id)
  const [checked] = await bench.check([id])
  assert.ok(checked !== undefined && 'standings' in checked)
  const { [DEMO]: demo, [PYTHON]: python } = checked.standings
  assert.deepEqual([demo?.standing, demo?.mode, python?.standing], ['enrolled', 'audit', 'unenrolled'])
  assert.deepEqual((await bench.delivery(id)).standings, checked.standings)
  const { last_event, ...sale } = before // its events are numbered
  assert.deepEqual({ ...(await bench.row(id)) }, { ...sale, ended_at: bench.clock.at, last_event: last_event + 2 })
  const { [DEMO]: buyer, ...others } = (await factsIn(bench.db, id)).accounts
  assert.deepEqual([buyer?.username, others], ['ada_x_example', {}], 'the first look stores who has the course')
  assert.deepEqual(await history(bench, id), [
    `checked: ${DEMO}: enrolled (audit); ${PYTHON}: unenrolled (audit)`,
    `access_ended: ${PYTHON}: unenrolled (audit)`,
  ])
  assert.equal(bench.events[0]?.actor, 'ada')
})

test('check now enrolls nobody, and makes no allowance', async (t) => {
  const bench = await setUp(t)
  const ids = await bench.sell([
    { email: ADA, courses: { [DEMO]: 'enrolled' } },
    { email: 'bob@x.example' },
    { email: 'cy@x.example' },
  ])
  await register(bench, ADA)
  await register(bench, 'cy@x.example', false)
  const before = await bench.state()
  const checked = await bench.check(ids)
  assert.deepEqual(await bench.state(), before)
  assert.deepEqual(
    checked.map((one) => ('standings' in one ? one.standings[DEMO]?.standing : one)),
    ['missing', 'missing', 'missing'],
  )
  await bench.seed({ allowances: [allowance('bob@x.example'), allowance('cy@x.example')] })
  const again = await bench.check(ids)
  assert.deepEqual(
    again.map((one) => ('standings' in one ? one.standings[DEMO]?.standing : one)),
    ['missing', 'no_account', 'not_activated'],
  )
})

test('check now makes a pre-enrolled delivery enrolled if the buyer is', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA)] })
  const [checked] = await bench.check([id])
  assert.ok(checked !== undefined && 'state' in checked)
  assert.equal(checked.state, 'enrolled')
  assert.deepEqual(
    (await history(bench, id)).map((line) => line.split(':')[0]),
    ['checked', 'claimed'],
  )
})

test('a missing enrollment that somebody has made is enough, whatever its course mode is', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'allowed' } })
  await register(bench, ADA)
  await bench.check([id])
  assert.equal((await bench.delivery(id)).outcome.reason?.code, 'enrollment.missing')
  await bench.seed({ enrollments: [{ ...enrollment(ADA, { course: HONOR }), mode: 'honor' }] })
  bench.later(1)
  await bench.check([id], {}, () => 'verified')
  assert.equal((await bench.row(id)).state, 'enrolled')
})

test('of two missing enrollments, one that somebody has made is reported, and the other stays the cause', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [DEMO]: 'allowed', [HONOR]: 'allowed' } })
  await register(bench, ADA)
  const results = async () => {
    bench.later(1)
    await bench.check([id])
    const { state, outcome } = await bench.delivery(id)
    return [state, outcome.reason, outcome.courses]
  }
  const [first, second] = [DEMO, HONOR].map((subject) => ({ code: 'enrollment.missing', subject }))
  assert.deepEqual(await results(), ['needs_attention', first, { [DEMO]: 'allowed', [HONOR]: 'allowed' }])
  await bench.seed({ enrollments: [enrollment(ADA)] })
  assert.deepEqual(await results(), ['needs_attention', second, { [DEMO]: 'enrolled', [HONOR]: 'allowed' }])
  await bench.seed({ enrollments: [enrollment(ADA), enrollment(ADA, { course: HONOR })] })
  assert.deepEqual(await results(), ['enrolled', null, { [DEMO]: 'enrolled', [HONOR]: 'enrolled' }])
})

test('check now finds a retired account, which a round can’t', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: 'retired@example.com' })
  await bench.round()
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'no_account' })
  bench.later(1)
  await bench.check([id])
  const { state, outcome } = await bench.delivery(id)
  assert.deepEqual([state, outcome.reason?.code], ['needs_attention', 'person.retired'])
})

test('a delivery that was reported as nothing is checked by the true keys of the courses that were bought', async (t) => {
  const bench = await setUp(t)
  const sale = arrival({ email: ADA, courseIds: [DEMO.toLowerCase(), 'course-v1:No+Such+Course'] })
  const { id } = only(await bench.store.write([accepted(sale)]))
  await bench.store.write([settled(needsAttention(id))])
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await bench.check([id])
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'enrolled' })
  assert.equal((await bench.row(id)).state, 'needs_attention')
})

test('what can’t be checked says why, and a failing LMS stores nothing', async (t) => {
  const bench = await setUp(t)
  const [queued, rejected] = await bench.store.write([accepted(arrival({ email: ADA })), accepted(rejectedArrival())])
  const id = await bench.sellOne({ email: 'bob@x.example' })
  const checked = await bench.check([queued?.id ?? '', rejected?.id ?? '', 'NONE', id])
  assert.deepEqual(
    checked.map((one) => ('failure' in one ? one.failure : 'checked')),
    [
      'it is queued: the next attempt checks it',
      'there is no such delivery, or it holds no sale',
      'there is no such delivery, or it holds no sale',
      'checked',
    ],
  )
  await bench.faults([{ path: '/api/user/v1/accounts', status: 503 }])
  const stored = await bench.delivery(id)
  const [failed] = await bench.check([id])
  assert.ok(failed !== undefined && 'failure' in failed)
  assert.match(failed.failure, /503/)
  assert.deepEqual(await bench.delivery(id), stored)
})

test('a delivery that is replayed during its check stays queued', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  const account = async (email: string) => {
    const found = await bench.lms.account(email)
    await bench.operations.replay({ ids: [id], by: 'ada' })
    return found
  }
  assert.deepEqual(await bench.check([id], { account }), [
    { id, failure: 'it has changed in the meantime: check it again' },
  ])
  const { standings } = await factsIn(bench.db, id)
  assert.deepEqual([(await bench.row(id)).state, standings], ['queued', {}])
})

test('two sales to one person that are checked together keep their own courses', async (t) => {
  const bench = await setUp(t)
  const [one = '', two = ''] = await bench.sell([
    { email: ADA, courses: { [DEMO]: 'enrolled' } },
    { email: ADA, order: 2, courses: { [PYTHON]: 'enrolled' } },
  ])
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA), enrollment(ADA, { course: PYTHON, active: false })] })
  await bench.check([one, two])
  assert.deepEqual(await bench.standings(one), { [DEMO]: 'enrolled' })
  assert.deepEqual(await bench.standings(two), { [PYTHON]: 'unenrolled' })
})

test('several sales to one person that are checked together cost no more questions about the address than one', async (t) => {
  const bench = await setUp(t)
  const ids = await bench.sell([
    { email: ADA },
    { email: ADA, order: 2, courses: { [PYTHON]: 'allowed', [DEMO]: 'allowed' } },
    { email: ADA, order: 3, courses: { [DEMO]: 'enrolled' } },
  ])
  await register(bench, ADA, false)
  await bench.forgetCalls()
  await bench.check(ids)
  assert.deepEqual(await callsTo(bench, ACCOUNTS, ALLOWANCES, LIST), [1, 1, 2])
})

test('a look that finds a buyer whom staff have put back makes a sale enrolled that needed attention because of that', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.check([id])
  assert.equal((await bench.delivery(id)).outcome.reason?.code, 'person.unenrolled')
  await bench.seed({ enrollments: [enrollment(ADA)] })
  bench.later(1)
  await bench.check([id])
  const { state, outcome } = await bench.delivery(id)
  assert.deepEqual([state, outcome], ['enrolled', { courses: { [DEMO]: 'enrolled' }, reason: null }])
  assert.match((await history(bench, id)).at(-1) ?? '', /^claimed: /)
})

test('so does one of a sale that read first and enrolled nobody, whose course then counts as there before', async (t) => {
  const bench = await setUp(t)
  const id = only(await bench.store.write([accepted(arrival({ email: ADA, courseIds: [DEMO] }))])).id
  await bench.store.write([
    settled({ ...needsAttention(id), outcome: { courses: {}, reason: { code: 'person.unenrolled', subject: DEMO } } }),
  ])
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await bench.check([id])
  const [line] = only(await readReported(bench.db, [id])).lines
  assert.deepEqual([(await bench.row(id)).state, line?.result, line?.gave], ['enrolled', 'enrolled', false])
})
