import assert from 'node:assert/strict'
import { test } from 'node:test'
import { becameDue } from '../../../src/enroll/follow-up/enrolled.ts'
import { ROUND_OVER } from '../../../src/enroll/follow-up/follow-up.ts'
import { show } from '../../../src/operators/find/listing.ts'
import { readShopViews } from '../../../src/queue/outbox/outbox.ts'
import { DEMO } from '../../harness.ts'
import { factsIn } from '../../lines.ts'
import { only, START } from '../../queue/harness.ts'
import { ACCOUNTS, callsTo, DAY_MS, type FollowUp, HONOR, history, LIST, PYTHON, SEARCH, setUp } from './harness.ts'

const ADA = 'ada@x.example'
/** The LMS has no such course. */
const GONE = 'course-v1:No+Such+Course'
const ENROLLED = { [DEMO]: 'enrolled' } as const
const enrollment = (email: string, { course = DEMO, active = true } = {}) => ({ email, course, mode: 'audit', active })

/** A bench with events for the shop, whose first round lies behind it: what is sold now is looked at within two days. */
async function begun(t: Parameters<typeof setUp>[0]) {
  const bench = await setUp(t)
  await bench.lookAgain()
  const toShop = { ...bench.context, hasOutbox: true }
  return {
    ...bench,
    /** A day or two later, the round in which what was sold before is due. */
    twoDaysLater: (asking: Parameters<FollowUp['lookAgain']>[0] = {}) => {
      bench.later(2 * DAY_MS)
      return bench.lookAgain(asking, toShop)
    },
    aWeekLater: () => {
      bench.later(7 * DAY_MS)
      return bench.lookAgain({}, toShop)
    },
    /** A sale to somebody who is in the course. */
    sellTo: async (email = ADA, courses: Readonly<Record<string, 'enrolled'>> = ENROLLED) => {
      await bench.people({ email, username: email.split('@')[0] ?? '', active: true })
      await bench.seed({ enrollments: Object.keys(courses).map((course) => enrollment(email, { course })) })
      return bench.sellOne({ email, courses })
    },
    /** The type of each event for the shop, and the courses that it names. */
    told: async () =>
      (await bench.db.selectFrom('outbox').select(['type', 'body']).orderBy('seq').execute()).map(({ type, body }) => {
        const { data } = JSON.parse(body)
        return [type, data.state, data.courses, data.ended]
      }),
  }
}

const since = (at: number): string => new Date(at).toISOString()

test('a course that the LMS took away is told once, with when it was found, and the delivery stays enrolled', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.twoDaysLater()
  assert.deepEqual(await history(bench, id), [], 'the buyer has the course')
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.aWeekLater()
  const foundAt = bench.clock.at
  await bench.aWeekLater()
  const { state, outcome } = await bench.delivery(id)
  assert.deepEqual([state, outcome], ['enrolled', { courses: ENROLLED, reason: null }])
  assert.deepEqual(await history(bench, id), [`access_ended: ${DEMO}: unenrolled (audit)`])
  assert.deepEqual(await bench.told(), [
    ['delivery.access_ended', 'enrolled', [], [{ id: DEMO, since: since(foundAt) }]],
  ])
  const ended = await bench.operations.list({ filter: { ended: true } })
  assert.deepEqual([ended.items.map((one) => one.id), ended.items[0]?.lines[0]?.standing?.endedAt], [[id], foundAt])
  const { enrollments } = await bench.state()
  assert.equal(enrollments.find(({ email }) => email === ADA)?.active, false, 'it enrolls nobody')
})

test('a course that is back is told, and no longer counts as ended', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.twoDaysLater()
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await bench.aWeekLater()
  assert.deepEqual(await history(bench, id), [
    `access_ended: ${DEMO}: unenrolled (audit)`,
    `access_restored: ${DEMO}: enrolled (audit)`,
  ])
  assert.deepEqual((await bench.told())[1], [
    'delivery.access_restored',
    'enrolled',
    [{ id: DEMO, result: 'enrolled' }],
    [],
  ])
  assert.deepEqual((await bench.operations.list({ filter: { ended: true } })).items, [])
})

for (const [what, { username, fault }] of Object.entries({
  'the list leaves it out': { username: 'ada', fault: null },
  'the list fails, as in Sumac and Teak': { username: 'ada', fault: { path: LIST, naming: 'No+Such', status: 500 } },
  'the answer about one person names no course': { username: 'ada.l', fault: null },
})) {
  test(`a course that the LMS has deleted is lost, and the others are looked at: ${what}`, async (t) => {
    const bench = await begun(t)
    await bench.people({ email: ADA, username, active: true })
    await bench.seed({ enrollments: [enrollment(ADA, { course: GONE }), enrollment(ADA)] })
    const id = await bench.sellOne({ email: ADA, courses: { [GONE]: 'enrolled', ...ENROLLED } })
    if (fault !== null) await bench.faults([fault])
    const { failure } = await bench.twoDaysLater()
    assert.deepEqual([failure, await bench.standings(id)], [null, { [GONE]: 'missing', [DEMO]: 'enrolled' }])
    assert.deepEqual(await history(bench, id), [`access_ended: ${GONE}: not enrolled`])
    const [checked] = await bench.check([id])
    assert.ok(checked && 'standings' in checked, 'an operator who asks gets an answer')
  })
}

test('of several courses, only what ended leaves the courses; both that end at once are one event', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo(ADA, { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' })
  await bench.seed({ enrollments: [enrollment(ADA, { course: PYTHON, active: false })] })
  await bench.twoDaysLater()
  const view = (await readShopViews({ trx: bench.db }, [id])).get(id)
  assert.deepEqual(view?.courses, [{ id: DEMO, result: 'enrolled' }])
  assert.deepEqual(view?.ended, [{ id: PYTHON, since: since(bench.clock.at) }])
  const both = await bench.sellTo('bob@x.example', { [DEMO]: 'enrolled', [PYTHON]: 'enrolled' })
  await bench.seed({
    enrollments: [DEMO, PYTHON].map((course) => enrollment('bob@x.example', { course, active: false })),
  })
  await bench.twoDaysLater()
  assert.equal((await history(bench, both)).length, 1)
})

test('a course is watched while another one of the sale still waits for an account', async (t) => {
  const bench = await begun(t)
  await bench.people({ email: ADA, username: 'ada', active: true })
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  const id = await bench.sellOne({ email: ADA, courses: { [DEMO]: 'enrolled', [PYTHON]: 'allowed' } })
  await bench.twoDaysLater()
  const ended = [{ id: DEMO, since: since(bench.clock.at) }]
  assert.deepEqual(await bench.told(), [
    ['delivery.access_ended', 'pre_enrolled', [{ id: PYTHON, result: 'pre_enrolled' }], ended],
  ])
  assert.deepEqual(only((await bench.operations.list({ filter: { ended: true } })).items).id, id)
  await bench.seed({ enrollments: [enrollment(ADA, { course: PYTHON })] })
  await bench.round()
  assert.deepEqual(
    [(await bench.delivery(id)).state, (await bench.told()).length],
    ['enrolled', 1],
    'claimed, and ended',
  )
  assert.equal((await history(bench, id)).at(-1), `claimed: enrolled in ${PYTHON}, 2 d 0 h after the sale`)
  assert.equal((await bench.standings(id))[DEMO], 'unenrolled')
})

test('a course that ended is told although the same check finds the other one of the sale claimed', async (t) => {
  const bench = await begun(t)
  await bench.people({ email: ADA, username: 'ada', active: true })
  const id = await bench.sellOne({ email: ADA, courses: { [DEMO]: 'enrolled', [PYTHON]: 'allowed' } })
  await bench.seed({ enrollments: [enrollment(ADA, { active: false }), enrollment(ADA, { course: PYTHON })] })
  bench.later(1)
  await bench.check([id])
  assert.deepEqual(
    (await history(bench, id)).map((line) => line.split(':')[0]),
    ['checked', 'access_ended', 'claimed'],
  )
})

test('the look at what was enrolled before starts nothing for a course mode, and decides nothing about what waits', async (t) => {
  const bench = await begun(t)
  const modeOf = () => 'honor'
  await bench.people({ email: ADA, username: 'ada', active: true })
  await bench.seed({ enrollments: [enrollment(ADA, { course: HONOR })] })
  const watched = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'enrolled', [PYTHON]: 'allowed' } })
  const waiting = await bench.sellOne({ email: ADA, order: 2, courses: { [DEMO]: 'enrolled', [HONOR]: 'allowed' } })
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await bench.twoDaysLater({ modeOf })
  for (const id of [watched, waiting]) assert.equal((await bench.delivery(id)).state, 'pre_enrolled')
})

test('an enrollment that is gone has ended, a retired account is a standing of its own, and both are asked for once', async (t) => {
  const bench = await begun(t)
  const gone = await bench.sellOne({ email: ADA, courses: ENROLLED })
  await bench.people({ email: ADA, username: 'ada', active: true })
  const retired = await bench.sellOne({ email: 'bob@x.example', courses: ENROLLED })
  const account = async (email: string) =>
    email === ADA ? bench.lms.account(email) : ({ ok: true, value: { status: 'retired' } } as const)
  await bench.twoDaysLater({ lms: { ...bench.lms, account } })
  assert.deepEqual(await bench.standings(gone), { [DEMO]: 'missing' })
  assert.deepEqual(await bench.standings(retired), { [DEMO]: 'retired' })
  for (const id of [gone, retired]) assert.match(only(await history(bench, id)), /^access_ended: /)
  await bench.forgetCalls()
  await bench.aWeekLater()
  assert.deepEqual(await callsTo(bench, SEARCH, LIST, ACCOUNTS), [1, 1, 0])
  assert.deepEqual(await bench.standings(retired), { [DEMO]: 'retired' })
})

test('an address that no account has any more ends nothing: its owner may have changed it', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellOne({ email: ADA, courses: ENROLLED })
  await bench.people({ email: 'bob@x.exämple', username: 'another', active: true })
  const taken = await bench.sellOne({ email: 'bob@x.example', courses: ENROLLED })
  await bench.twoDaysLater()
  for (const one of [id, taken]) assert.deepEqual([await bench.standings(one), await history(bench, one)], [{}, []])
  await bench.check([id])
  assert.deepEqual([await bench.standings(id), (await bench.row(id)).ended_at], [{ [DEMO]: 'missing' }, null])
  await bench.aWeekLater()
  assert.deepEqual(await bench.told(), [])
})

test('"check now" finds the same as a round', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.check([id])
  await bench.seed({ enrollments: [enrollment(ADA)] })
  bench.later(1)
  await bench.check([id])
  const kinds = (await history(bench, id)).map((line) => line.split(':')[0])
  assert.deepEqual(kinds, ['checked', 'access_ended', 'checked', 'access_restored'])
})

test('nothing ends while a call may still be carried out in the LMS', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  const late = { name: ADA, replica: '', effect: 'enrolls', late_at: START } as const
  await bench.db.insertInto('holds').values(late).execute()
  await bench.twoDaysLater()
  assert.deepEqual(
    [await bench.standings(id), await history(bench, id)],
    [{ [DEMO]: 'unenrolled' }, [`standing_changed: ${DEMO}: unenrolled (audit)`]],
  )
  await bench.db.deleteFrom('holds').execute()
  await bench.aWeekLater()
  assert.equal((await history(bench, id)).length, 2)
})

test('nothing ends where somebody here withdrew the buyer, also by another delivery', async (t) => {
  const bench = await begun(t)
  const [first = '', second = ''] = [
    await bench.sellTo(),
    await bench.sellOne({ email: ADA, order: 2, courses: ENROLLED }),
  ]
  bench.later(1000)
  const withdrawal = { id: first, courses: [DEMO], paid: false, by: 'ada' }
  await bench.operations.withdraw(withdrawal)
  await bench.db
    .updateTable('delivery_lines')
    .set({ withdrawal_state: 'failed', withdrawal_called: 1, withdrawal_at: bench.clock.at })
    .where('withdrawal_state', '=', 'open')
    .execute()
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.twoDaysLater()
  assert.deepEqual(await bench.told(), [])
  // A sale that came again after the withdrawal has its own access.
  const again = bench.db.updateTable('delivery_lines').set({ withdrawal_id: null, withdrawal_state: null })
  await again.where('delivery_id', '=', second).execute()
  await bench.aWeekLater()
  assert.equal((await bench.told()).length, 1)
})

test('a course that a newer sale enrolled again is restored for the sale whose access ended, which keeps it too', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.twoDaysLater()
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await bench.sellOne({ email: ADA, order: 2, courses: ENROLLED })
  await bench.aWeekLater()
  assert.deepEqual(
    (await bench.told()).map(([type]) => type),
    ['delivery.access_ended', 'delivery.access_restored'],
  )
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'enrolled' })
  assert.equal((await show(bench.db, id))?.lines[0]?.standing?.endedAt, undefined)
})

test('a repeat begins anew: the delivery is done as a new sale is, and nothing of it has ended', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  await bench.twoDaysLater()
  await bench.operations.replay({ ids: [id], by: 'ada' })
  const { standings } = await factsIn(bench.db, id)
  assert.deepEqual([standings, (await bench.row(id)).ended_at], [{}, null])
})

test('a round that stops before any of its calls loses nothing and repeats nothing', async (t) => {
  const bench = await begun(t)
  const ids = [await bench.sellTo(), await bench.sellTo('bob@x.example'), await bench.sellTo('cy@x.example')]
  await bench.seed({ enrollments: ['ada', 'bob'].map((name) => enrollment(`${name}@x.example`, { active: false })) })
  bench.later(2 * DAY_MS)
  for (let stopBefore = 1, complete = false; !complete; stopBefore++) {
    let made = 0
    const beforeCall = async (): Promise<void> => {
      if (++made === stopBefore) throw ROUND_OVER
    }
    complete = (await bench.lookAgain({ beforeCall })).complete
  }
  const counts = await Promise.all(ids.map(async (id) => (await history(bench, id)).length))
  assert.deepEqual(counts, [1, 1, 0])
  await bench.forgetCalls()
  await bench.lookAgain()
  assert.deepEqual(await callsTo(bench, SEARCH, LIST), [0, 0], 'nothing is due')
})

test('a sale is looked up when it is half a day old, and then once in each week', async (t) => {
  const bench = await begun(t)
  await bench.sellTo()
  const soldAt = bench.clock.at
  const lookedAt: number[] = []
  for (let hour = 0; hour < 24 * 24; hour += 4) {
    if ((await bench.lookAgain()).deliveries > 0) lookedAt.push((bench.clock.at - soldAt) / DAY_MS)
    bench.later(DAY_MS / 6)
  }
  assert.deepEqual(lookedAt, [0.5, 7.5, 14.5, 21.5])
  const span = { from: bench.clock.at, to: bench.clock.at + 20 * DAY_MS }
  assert.ok(becameDue(soldAt, span, 7 * DAY_MS), 'after a time without rounds, all are due')
})

test('a week of rounds costs a search for up to 200 sales of a course, and a list for each 100 of them', async (t) => {
  const bench = await setUp(t)
  const [courses, buyers] = [[DEMO, PYTHON], 200]
  const people = Array.from({ length: buyers }, (_, n) => ({ email: `buyer${n}@x.example`, username: `buyer${n}` }))
  for (const person of people) await bench.people({ ...person, active: true })
  await bench.seed({
    enrollments: courses.flatMap((course) => people.map(({ email }) => enrollment(email, { course }))),
  })
  for (const [n, course] of courses.entries()) {
    await bench.sell(people.map(({ email }) => ({ email, order: n + 1, courses: { [course]: 'enrolled' as const } })))
  }
  bench.later(2 * DAY_MS)
  await bench.lookAgain()
  await bench.forgetCalls()
  for (let hour = 0; hour < 7 * 24; hour += 4) {
    bench.later(DAY_MS / 6)
    await bench.lookAgain()
  }
  assert.deepEqual(await callsTo(bench, SEARCH, LIST), [courses.length, (courses.length * buyers) / 100])
  // So 10^5 sales of 50 courses that came evenly cost 12 searches and 50 lists every four hours: 2,600 calls a week.
})
