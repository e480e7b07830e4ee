import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultWorld } from '../../../sandbox/default-world.ts'
import { ROUND_OVER } from '../../../src/enroll/follow-up/follow-up.ts'
import { failed } from '../../../src/lms/client/failure.ts'
import { forget } from '../../../src/operators/changes/forget.ts'
import { show } from '../../../src/operators/find/listing.ts'
import { sendAgain } from '../../../src/queue/outbox/send-again.ts'
import { DEMO } from '../../harness.ts'
import { factsIn, setFacts } from '../../lines.ts'
import { START } from '../../queue/harness.ts'
import {
  ACCOUNTS,
  CERTIFICATE_LIST,
  CERTIFICATES,
  COURSE,
  callsTo,
  DAY_MS,
  type FollowUp,
  GRADE,
  GRADES,
  history,
  LMS_URL,
  PYTHON,
  setUp,
} from './harness.ts'

const ADA = 'ada@x.example'
const BOB = 'bob@x.example'
const nameOf = (email: string): string => email.split('@')[0] ?? ''

/** A bench with events for the shop, whose first round lies behind it: each course is due in each day. */
async function begun(...of: Parameters<typeof setUp>) {
  const bench = await setUp(...of)
  await bench.askOutcomes()
  const toShop = { ...bench.context, hasOutbox: true }
  const enroll = (email: string, courses: readonly string[], active = true) =>
    bench.seed({ enrollments: courses.map((course) => ({ email, course, mode: 'audit', active })) })
  const achieve = (
    email: string,
    of: { passed?: boolean; percent?: number; certificate?: string | null },
    course = DEMO,
  ) => bench.achievement({ email, course, ...of })
  return {
    ...bench,
    toShop,
    enroll,
    achieve,
    aDayLater: (asking: Parameters<FollowUp['askOutcomes']>[0] = {}) => {
      bench.later(DAY_MS)
      return bench.askOutcomes(asking, toShop)
    },
    aWeekLater: () => {
      bench.later(7 * DAY_MS)
      return bench.askOutcomes({}, toShop)
    },
    /** A sale to somebody who is in the courses. */
    sellTo: async (email = ADA, { courses = [DEMO], order = 1, username = nameOf(email) } = {}) => {
      if (order === 1) await bench.people({ email, username, active: true })
      await enroll(email, courses)
      const found = await bench.lms.account(email)
      const id = found.ok && 'username' in found.value ? found.value.id : undefined
      assert.ok(id !== undefined)
      const of = <T>(value: T) => Object.fromEntries(courses.map((course) => [course, value]))
      return bench.sellOne({ email, order, courses: of('enrolled' as const), accounts: of({ id, username }) })
    },
    /** The type and the data of each event for the shop about a learner. */
    told: async () => {
      const rows = await bench.db.selectFrom('outbox').select(['type', 'body']).orderBy('id').execute()
      return rows
        .filter(({ type }) => type.startsWith('learner.'))
        .map(({ type, body }) => ({ type, ...JSON.parse(body).data }))
    },
  }
}

test('a buyer who passes is told once, with nothing but the delivery and the course', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: false, percent: 40 })
  await bench.aDayLater()
  assert.deepEqual(await bench.told(), [])
  await bench.achieve(ADA, { passed: true, percent: 83 })
  await bench.aDayLater()
  const passed = {
    type: 'learner.passed',
    id,
    webhookId: null,
    course: DEMO,
    passed: true,
    certificate: null,
    test: false,
  }
  assert.deepEqual(await bench.told(), [passed])
  assert.deepEqual(await history(bench, id), [`passed: ${DEMO}`])
  await bench.achieve(ADA, { passed: false, percent: 10 })
  await bench.aWeekLater()
  await bench.achieve(ADA, { passed: true, percent: 90 })
  await bench.aWeekLater()
  assert.deepEqual(await bench.told(), [passed], 'a grade that changes later is no new fact')
})

test('the percentage is stored and told only if the operator wants grades told', async (t) => {
  const bench = await begun(t)
  const without = await bench.sellTo(BOB)
  await bench.achieve(BOB, { passed: true, percent: 70 })
  await bench.aDayLater()
  const { achievements } = await factsIn(bench.db, without)
  assert.doesNotMatch(JSON.stringify(achievements), /percent|70/)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, percent: 83.9 })
  bench.later(DAY_MS)
  await bench.askGrades({}, bench.toShop)
  const told = (await bench.told()).map(({ id: of, percent }) => [of, percent])
  assert.deepEqual(told, [
    [without, undefined],
    [id, 83],
  ])
})

test('a certificate is told when it is issued, when it is revoked, and when it is issued again', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'generating' })
  await bench.aDayLater()
  assert.deepEqual(await history(bench, id), [`passed: ${DEMO}`], 'one that is being made is none yet')
  await bench.achieve(ADA, { certificate: 'downloadable' })
  await bench.aDayLater()
  const [, issued] = await bench.told()
  assert.equal(issued?.type, 'learner.certificate')
  assert.equal(issued?.certificate.status, 'issued')
  assert.match(issued?.certificate.url, new RegExp(`^${LMS_URL}/certificates/[0-9a-f]{32}$`))
  assert.ok(!Number.isNaN(Date.parse(issued?.certificate.date)))
  for (const status of ['unavailable', 'downloadable', 'notpassing', 'downloadable', null]) {
    await bench.achieve(ADA, { certificate: status })
    await bench.aWeekLater()
    await bench.aWeekLater()
  }
  const statuses = (await bench.told()).slice(1).map(({ certificate }) => certificate)
  assert.deepEqual(
    statuses.map(({ status, url }) => [status, url === null]),
    ['issued', 'revoked', 'issued', 'revoked', 'issued', 'revoked'].map((status) => [status, status === 'revoked']),
  )
  assert.deepEqual(new Set(statuses.map(({ date }) => date)), new Set([issued?.certificate.date]))
  assert.equal((await history(bench, id)).at(-1), `certificate_revoked: ${DEMO}`)
})

test('a certificate that the buyer cannot see before a date is told after it', async (t) => {
  const from = START + 20 * DAY_MS
  const clock = { at: START }
  const courses = defaultWorld.courses.map((course) => ({
    ...course,
    certificates_from: course.id === DEMO ? new Date(from).toISOString() : undefined,
  }))
  const bench = await begun(t, { world: { ...defaultWorld, courses }, now: () => clock.at })
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  await bench.aDayLater()
  await bench.aWeekLater()
  assert.deepEqual(await history(bench, id), [`passed: ${DEMO}`])
  clock.at = from
  for (let week = 0; week < 2; week++) await bench.aWeekLater()
  assert.deepEqual(await history(bench, id), [`passed: ${DEMO}`, `certificate_issued: ${DEMO}`])
})

test('a course that the LMS has deleted revokes no certificate', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  await bench.aDayLater()
  const left = defaultWorld.courses.filter(({ id: key }) => key !== DEMO)
  await bench.reset({ ...defaultWorld, courses: left })
  await bench.people({ email: ADA, username: 'ada', active: true })
  const account = await bench.lms.account(ADA)
  assert.ok(account.ok && 'username' in account.value)
  await setFacts(bench.db, id, { accounts: { [DEMO]: { id: account.value.id, username: 'ada' } } })
  await bench.aWeekLater()
  assert.equal((await history(bench, id)).at(-1), `certificate_issued: ${DEMO}`)
})

test('who is in the course no more is not asked about, nor who was taken out, by another delivery neither', async (t) => {
  const bench = await begun(t)
  const [ended, other] = [await bench.sellTo(), await bench.sellTo(BOB)]
  for (const email of [ADA, BOB]) await bench.achieve(email, { passed: true, certificate: 'downloadable' })
  await bench.enroll(ADA, [DEMO], false)
  bench.later(1000)
  await bench.check([ended])
  const again = await bench.sellTo(BOB, { order: 2 })
  bench.later(1000)
  await bench.operations.withdraw({ id: again, courses: [DEMO], paid: false, by: 'ada' })
  await bench.aDayLater()
  assert.deepEqual(await bench.told(), [], 'the withdrawal is only ordered')
  for (const id of [ended, other, again]) assert.deepEqual((await factsIn(bench.db, id)).achievements, {})
  await bench.forgetCalls()
  await bench.enroll(BOB, [DEMO], false)
  await bench.aDayLater()
  assert.deepEqual(await bench.told(), [])
  assert.deepEqual(await callsTo(bench, CERTIFICATES), [0])
})

test('what a buyer achieves is told for each sale of the course, but not for one whose access has ended', async (t) => {
  const bench = await begun(t)
  const [first, second] = [await bench.sellTo(), await bench.sellTo(ADA, { order: 2 })]
  await bench.enroll(ADA, [DEMO], false)
  bench.later(1000)
  await bench.check([first])
  await bench.enroll(ADA, [DEMO])
  await bench.achieve(ADA, { passed: true })
  await bench.aDayLater()
  const told = async () => (await bench.told()).map(({ id }) => id)
  assert.deepEqual(await told(), [second])
  const later = await bench.sellTo(ADA, { order: 3 })
  await bench.aDayLater()
  assert.deepEqual(await told(), [second, later])
  assert.deepEqual((await factsIn(bench.db, first)).achievements, {})
})

test('what another delivery of the same buyer sold is told for each delivery, and asked for once', async (t) => {
  const bench = await begun(t)
  const ids = [await bench.sellTo(), await bench.sellTo(ADA, { order: 2, courses: [DEMO, PYTHON] })]
  await bench.achieve(ADA, { passed: true })
  await bench.forgetCalls()
  await bench.aDayLater()
  assert.deepEqual(
    (await bench.told()).map(({ id, course }) => [id, course]).sort(),
    ids.map((id) => [id, DEMO]).sort(),
  )
  assert.deepEqual(await callsTo(bench, GRADES), [2], 'one call for each course')
})

test('a sale that is done again tells nothing again', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  await bench.aDayLater()
  assert.equal((await bench.told()).length, 2)
  await bench.operations.replay({ ids: [id], by: 'ada' })
  const { achievements, courses } = await factsIn(bench.db, id)
  assert.deepEqual([Object.keys(achievements), courses], [[DEMO], {}])
  await setFacts(bench.db, id, { courses: { [DEMO]: 'enrolled' } })
  await bench.db.updateTable('deliveries').set({ state: 'enrolled' }).execute()
  await bench.aWeekLater()
  assert.equal((await bench.told()).length, 2)
})

for (const [what, fault] of [
  ['403', { status: 403, body: { detail: 'no' } }],
  ['404 as a page', { status: 404 }],
  ['404 as JSON', { status: 404, body: {} }],
  ['a page', { status: 200, body: '<html>Log in</html>' }],
  ['500', { status: 500 }],
  ['another shape', { status: 200, body: { next: null, results: [{ username: 'ada' }] } }],
  ['a cut connection', { drop: 'before' }],
] as const) {
  test(`an LMS that answers ${what} leaves what is known, and nothing is lost`, async (t) => {
    const bench = await begun(t)
    const [id, other] = [await bench.sellTo(), await bench.sellTo(BOB)]
    await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
    await bench.aDayLater()
    const before = await factsIn(bench.db, id)
    await bench.achieve(ADA, { certificate: 'unavailable' })
    await bench.achieve(BOB, { passed: true })
    await bench.faults([
      { path: GRADES, ...fault },
      { path: CERTIFICATES, ...fault },
    ])
    const failed = await bench.aWeekLater()
    assert.notEqual(failed.failure, null)
    const { achievements } = await factsIn(bench.db, other)
    assert.deepEqual([await factsIn(bench.db, id), achievements], [before, {}])
    await bench.noFaults()
    await bench.aWeekLater()
    assert.equal((await history(bench, id)).at(-1), `certificate_revoked: ${DEMO}`)
    assert.deepEqual(await history(bench, other), [`passed: ${DEMO}`])
  })
}

test('an account that was retired, or is another one by now, revokes no certificate', async (t) => {
  const bench = await begun(t)
  const ids = [await bench.sellTo(), await bench.sellTo(BOB)]
  for (const email of [ADA, BOB]) await bench.achieve(email, { passed: true, certificate: 'downloadable' })
  await bench.aDayLater()
  await bench.people({ email: BOB, username: 'robert', formerly: BOB, active: true })
  await bench.retire(ADA)
  await bench.people({
    email: 'retired__user_0a@retired.invalid',
    username: 'retired__user_0a',
    formerly: (await retiredAddressOf(bench)) ?? '',
    active: false,
  })
  await bench.forgetCalls()
  await bench.aWeekLater()
  for (const id of ids) assert.equal((await history(bench, id)).at(-1), `certificate_issued: ${DEMO}`)
  assert.deepEqual(await callsTo(bench, CERTIFICATES, ACCOUNTS), [2, 2])
})

/** The address that the stand-in gave to the account that was retired. */
const retiredAddressOf = async ({ state }: FollowUp) =>
  (await state()).enrollments.find(({ email }) => email.startsWith('retired__user_'))?.email

test('a user name that a list refuses is asked about alone, and a sale whose account is not known is not', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo(ADA, { username: 'ada.l' })
  await bench.sellOne({ email: BOB, courses: { [DEMO]: 'enrolled' } })
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  await bench.forgetCalls()
  await bench.aDayLater()
  assert.deepEqual(await callsTo(bench, GRADES, GRADE, CERTIFICATES, CERTIFICATE_LIST), [0, 1, 1, 1])
  await bench.aWeekLater()
  assert.deepEqual(await callsTo(bench, CERTIFICATES, CERTIFICATE_LIST), [2, 1], 'the list only for what is new')
  assert.deepEqual(await history(bench, id), [`passed: ${DEMO}`, `certificate_issued: ${DEMO}`])
})

test('a round that stops before any of its calls loses nothing and tells nothing twice', async (t) => {
  const bench = await begun(t)
  const ids = [await bench.sellTo(), await bench.sellTo(BOB), await bench.sellTo('cy@x.example', { courses: [PYTHON] })]
  for (const [email, course] of [
    [ADA, DEMO],
    [BOB, DEMO],
    ['cy@x.example', PYTHON],
  ] as const)
    await bench.achieve(email, { passed: true, certificate: 'downloadable' }, course)
  bench.later(DAY_MS)
  for (let stopBefore = 1, complete = false; !complete; stopBefore++) {
    let made = 0
    const beforeCall = async (): Promise<void> => {
      if (++made === stopBefore) throw ROUND_OVER
    }
    complete = (await bench.askOutcomes({ beforeCall }, bench.toShop)).complete
  }
  const told = (await bench.told()).map(({ id, type }) => `${id} ${type}`)
  const expected = ids.flatMap((id) => [`${id} learner.passed`, `${id} learner.certificate`])
  assert.deepEqual(told.sort(), expected.sort())
  await bench.forgetCalls()
  await bench.askOutcomes()
  assert.deepEqual(await callsTo(bench, GRADES, CERTIFICATES), [0, 0], 'nothing is due')
})

test('one round follows a time without rounds, however long it was', async (t) => {
  const bench = await begun(t)
  await bench.sellTo()
  await bench.forgetCalls()
  bench.later(30 * DAY_MS)
  for (let round = 0; round < 3; round++) await bench.askOutcomes({}, bench.toShop)
  assert.deepEqual(await callsTo(bench, GRADES), [1])
})

test('a day costs one call for each 50 who have not passed, and a certificate is asked for daily for a week, then weekly', async (t) => {
  const bench = await setUp(t)
  const people = Array.from({ length: 120 }, (_, n) => ({ email: `buyer${n}@x.example`, username: `buyer${n}` }))
  for (const person of people) await bench.people({ ...person, active: true })
  await bench.seed({ enrollments: people.map(({ email }) => ({ email, course: DEMO, mode: 'audit', active: true })) })
  await bench.sell(
    people.map(({ email, username }, n) => ({
      email,
      courses: { [DEMO]: 'enrolled' as const },
      accounts: { [DEMO]: { id: 1000 + n, username } },
    })),
  )
  await bench.askOutcomes()
  await bench.achievement({ email: 'buyer7@x.example', course: DEMO, passed: true })
  const days: number[][] = []
  for (let day = 0; day < 29; day++) {
    await bench.forgetCalls()
    for (let hour = 0; hour < 24; hour += 4) {
      bench.later(DAY_MS / 6)
      await bench.askOutcomes()
    }
    days.push(await callsTo(bench, GRADES, CERTIFICATES))
  }
  assert.ok(
    days.every(([grades]) => grades === 3),
    days.join(' '),
  )
  const asked = days.map(([, certificates]) => certificates)
  assert.deepEqual(asked.slice(0, 7), [1, 1, 1, 1, 1, 1, 1])
  assert.equal(
    asked.slice(8).reduce((sum = 0, count = 0) => sum + count, 0),
    3,
  )
  // So 10^5 sales of 50 courses cost 2,000 calls a day.
})

test('each call of a round waits for its turn, and takes no permit, because the LMS throttles none of them', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  let turns = 0
  const asking = {
    beforeCall: async (): Promise<void> => {
      turns++
    },
    acquire: () => assert.fail('a permit was taken'),
  }
  await bench.forgetCalls()
  await bench.aDayLater(asking)
  await bench.achieve(ADA, { certificate: null })
  bench.later(7 * DAY_MS)
  await bench.askOutcomes(asking, bench.toShop)
  assert.equal((await history(bench, id)).length, 3)
  assert.deepEqual(await callsTo(bench, GRADES, CERTIFICATES, CERTIFICATE_LIST, ACCOUNTS, COURSE), [1, 2, 1, 1, 1])
  assert.equal(turns, 6)
})

test('what is known can be sent again, and is shown with the delivery', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  await bench.aDayLater()
  const before = await bench.told()
  assert.equal((await show(bench.db, id))?.lines[0]?.achievement?.certificate?.status, 'issued')
  await sendAgain(bench.toShop, { id, by: 'ada' })
  const after = await bench.told()
  assert.deepEqual(after.slice(2), [before[1]])
  const numbers = await bench.db.selectFrom('outbox').select('seq').where('about', '=', id).execute()
  assert.equal(new Set(numbers.map(({ seq }) => seq)).size, numbers.length)
})

const set = ({ db }: FollowUp, id: string, of: { generation: number } | { state: 'handled' }) =>
  db.updateTable('deliveries').set(of).where('id', '=', id).execute()

for (const [happens, change] of Object.entries<(bench: FollowUp, id: string) => Promise<unknown>>({
  'was erased': ({ db }, id) => db.deleteFrom('deliveries').where('id', '=', id).execute(),
  'was done again': (bench, id) => set(bench, id, { generation: 1 }),
  'was handled': (bench, id) => set(bench, id, { state: 'handled' }),
  'lost the course': async (bench, id) => {
    await bench.seed({ enrollments: [{ email: ADA, course: DEMO, mode: 'audit', active: false }] })
    await bench.check([id])
  },
})) {
  test(`what a buyer has achieved is not told of a sale that ${happens} meanwhile`, async (t) => {
    const bench = await begun(t)
    const id = await bench.sellTo()
    await bench.achieve(ADA, { passed: true })
    const grades: FollowUp['lms']['grades'] = async (of) => {
      const found = await bench.lms.grades(of)
      await change(bench, id)
      return found
    }
    await bench.aDayLater({ lms: { ...bench.lms, grades } })
    assert.deepEqual(await bench.told(), [])
  })
}

test('erasing a person erases what they achieved', async (t) => {
  const bench = await begun(t)
  const id = await bench.sellTo()
  await bench.achieve(ADA, { passed: true, certificate: 'downloadable' })
  await bench.aDayLater()
  assert.notEqual((await factsIn(bench.db, id)).achievements[DEMO]?.certificate, undefined)
  await forget(bench.context, { email: ADA, by: 'ada' })
  const left = await bench.db.selectFrom('delivery_lines').selectAll().execute()
  const events = await bench.db.selectFrom('events').select('kind').where('delivery_id', '=', id).execute()
  assert.deepEqual([left, events, await bench.told()], [[], [], []])
})

test('a course that was enrolled is asked about while another one of the sale waits for an account', async (t) => {
  const bench = await begun(t)
  await bench.sellTo()
  const account = await bench.lms.account(ADA)
  assert.ok(account.ok && 'username' in account.value)
  const { id = 0, username } = account.value
  const mixed = await bench.sellOne({
    email: ADA,
    order: 2,
    courses: { [DEMO]: 'enrolled', [PYTHON]: 'allowed' },
    accounts: { [DEMO]: { id, username } },
  })
  await bench.achieve(ADA, { passed: true })
  await bench.aDayLater()
  assert.deepEqual(await history(bench, mixed), [`passed: ${DEMO}`])
})

test('a course for which the LMS does not answer delays nobody in another one, and ends no round', async (t) => {
  const bench = await begun(t)
  const ids = [await bench.sellTo(ADA, { courses: [PYTHON] }), await bench.sellTo(BOB)]
  await bench.achieve(ADA, { passed: true }, PYTHON)
  await bench.achieve(BOB, { passed: true })
  await bench.faults([{ path: GRADES, naming: PYTHON, drop: 'before' }])
  const { complete, failure } = await bench.aDayLater()
  assert.deepEqual([complete, failure?.kind], [true, 'unreachable'])
  assert.deepEqual(
    (await bench.told()).map(({ id }) => id),
    [ids[1]],
  )
  await bench.noFaults()
  await bench.aDayLater()
  assert.equal((await bench.told()).length, 2)
})

test('a course for which the LMS answers no call ends no round, however many learn there', async (t) => {
  const bench = await begun(t)
  const people = Array.from({ length: 260 }, (_, n) => ({ email: `buyer${n}@x.example`, username: `buyer${n}` }))
  await bench.sell(
    people.map(({ email, username }, n) => ({
      email,
      courses: { [PYTHON]: 'enrolled' as const },
      accounts: { [PYTHON]: { id: 1000 + n, username } },
    })),
  )
  const id = await bench.sellTo(BOB)
  await bench.achieve(BOB, { passed: true })
  await bench.faults([{ path: GRADES, naming: PYTHON, drop: 'before' }])
  await bench.forgetCalls()
  const { complete, failure } = await bench.aDayLater()
  assert.deepEqual([complete, failure?.kind], [true, 'unreachable'])
  assert.deepEqual(
    (await bench.told()).map(({ id: of }) => of),
    [id],
  )
  assert.deepEqual(await callsTo(bench, GRADES), [4], 'after three calls, the others wait for the next day')
})

for (const [what, path] of [
  ['grades of people who are asked about alone', GRADE],
  ['certificates', CERTIFICATES],
] as const) {
  test(`a course for which the LMS fails to tell the ${what} ends no round`, async (t) => {
    const bench = await begun(t)
    for (let n = 0; n < 4; n++) {
      const email = `buyer${n}@x.example`
      await bench.sellTo(email, { courses: [PYTHON], username: `buyer.${n}` })
      await bench.achieve(email, { passed: true }, PYTHON)
    }
    const id = await bench.sellTo(BOB)
    await bench.achieve(BOB, { passed: true, certificate: 'downloadable' })
    await bench.faults([{ path, naming: PYTHON, status: 500 }])
    const { complete, failure } = await bench.aDayLater()
    assert.deepEqual([complete, failure?.kind], [true, 'server_error'])
    assert.deepEqual(await history(bench, id), [`passed: ${DEMO}`, `certificate_issued: ${DEMO}`])
  })
}

/** Sells the course to so many buyers who have passed it. */
async function sellToPassed(bench: Awaited<ReturnType<typeof begun>>, count: number): Promise<string[]> {
  const emails = Array.from({ length: count }, (_, n) => `buyer${n}@x.example`)
  for (const email of emails) {
    await bench.sellTo(email)
    await bench.achieve(email, { passed: true })
  }
  return emails
}

test('a course whose grades take the LMS too long is asked about in smaller calls', async (t) => {
  const bench = await begun(t)
  await sellToPassed(bench, 60)
  const sizes: number[] = []
  const grades: FollowUp['lms']['grades'] = async (of) => {
    sizes.push(of.usernames.length)
    if (of.usernames.length <= 15) return bench.lms.grades(of)
    return failed({ kind: 'unreachable', endpoint: GRADES, status: 504, message: 'The LMS is not available (504)' })
  }
  const { complete } = await bench.aDayLater({ lms: { ...bench.lms, grades } })
  assert.deepEqual(sizes, [50, 25, 13, 13, 13, 13, 8])
  assert.deepEqual([complete, (await bench.told()).length], [true, 60])
})

test('an LMS that answers nothing at all ends the round, and the next one begins with the same courses', async (t) => {
  const bench = await begun(t)
  const emails = await sellToPassed(bench, 4)
  await bench.aDayLater()
  for (const email of emails) await bench.achieve(email, { certificate: 'downloadable' })
  await bench.faults([{ drop: 'before' }])
  await bench.forgetCalls()
  const { complete } = await bench.aDayLater()
  assert.equal(complete, false)
  assert.deepEqual(await callsTo(bench, CERTIFICATES), [3])
  await bench.noFaults()
  await bench.askOutcomes({}, bench.toShop)
  assert.equal((await bench.told()).filter(({ type }) => type === 'learner.certificate').length, 4)
})
