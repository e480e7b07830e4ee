import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { defaultWorld } from '../../../sandbox/default-world.ts'
import { DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { BULK } from '../../service/serving.ts'
import { startWithOperations } from './withdrawing.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const product = await startWithOperations()
const { lms, sold, withdraw, show, stateOf, kinds, operations } = product
after(() => product.stopAll())
beforeEach(() => lms.reset())

const rowOf = async (email: string, course: string) =>
  (await lms.state()).enrollments.find((row) => row.email === email && row.course === course)

test('a buyer without an account loses the allowance, and the delivery is withdrawn', async () => {
  const id = await sold('new@example.com')
  assert.equal(await stateOf(id), 'pre_enrolled')
  const { result, by } = await withdraw(id)
  assert.deepEqual(result, { courses: { [DEMO]: { kind: 'disallowed', mode: null, why: '' } }, message: '' })
  assert.equal(by, 'alice')
  assert.deepEqual((await lms.state()).allowances, [])
  const { state, outcome, standings, dueAt } = await show(id)
  assert.deepEqual([state, outcome, dueAt], ['withdrawn', { courses: {}, reason: null }, null])
  assert.equal(standings[DEMO]?.standing, 'missing')
  assert.deepEqual(await kinds(id), ['received', 'pre_enrolled', 'withdrawal_requested', 'withdrawn'])
})

test('an enrolled buyer is unenrolled, and the LMS’s own audit names the delivery', async () => {
  const id = await sold('alice@example.com')
  await withdraw(id)
  assert.equal((await rowOf('alice@example.com', DEMO))?.active, false)
  assert.equal(await stateOf(id), 'withdrawn')
  assert.equal((await show(id)).standings[DEMO]?.standing, 'unenrolled')
  assert.equal((await lms.audit()).at(-1)?.reason, `Lernito ${id}`)
})

test('a buyer who registered and has not activated loses the enrollment and the allowance', async () => {
  const id = await sold('bob@example.com')
  await withdraw(id)
  const { allowances } = await lms.state()
  assert.deepEqual([allowances, (await rowOf('bob@example.com', DEMO))?.active], [[], false])
})

test('a withdrawal deletes an allowance for a course that the LMS has lost, so that its buyer can activate', async () => {
  const buyer = { email: 'new@example.com', course: PYTHON, auto_enroll: true, used: false }
  const id = await sold(buyer.email, [PYTHON])
  await lms.reset({ ...defaultWorld, courses: defaultWorld.courses.filter((course) => course.id !== PYTHON) })
  await lms.seed({ allowances: [buyer] })
  await lms.people({ email: buyer.email, username: 'new', active: false })
  await assert.rejects(lms.activate(buyer.email), /allowance for/)
  const { result } = await withdraw(id)
  assert.deepEqual(result?.courses[PYTHON]?.kind, 'disallowed')
  await lms.activate(buyer.email)
})

test('a withdrawal from one of two courses leaves the other one, and the state follows', async () => {
  const id = await sold('alice@example.com', [DEMO, PYTHON])
  await withdraw(id, { courses: [PYTHON] })
  const { state, outcome, standings } = await show(id)
  assert.deepEqual([state, outcome?.courses], ['enrolled', { [DEMO]: 'enrolled' }])
  assert.deepEqual(Object.keys(standings), [PYTHON])
  assert.equal((await rowOf('alice@example.com', DEMO))?.active, true)
  await withdraw(id)
  assert.equal(await stateOf(id), 'withdrawn')
})

test('a paid mode is left alone, with the reason, unless the order includes paid modes', async () => {
  const id = await sold('alice@example.com', [HONOR])
  await lms.seed({ enrollments: [{ email: 'alice@example.com', course: HONOR, mode: 'verified', active: true }] })
  const { result } = await withdraw(id)
  assert.equal(result?.courses[HONOR]?.kind, 'kept')
  assert.match(result?.courses[HONOR]?.why ?? '', /paid mode verified/)
  assert.deepEqual([await stateOf(id), (await rowOf('alice@example.com', HONOR))?.active], ['enrolled', true])
  assert.equal((await kinds(id)).at(-1), 'withdrawal_failed')
  await withdraw(id, { paid: true })
  assert.deepEqual([await stateOf(id), (await rowOf('alice@example.com', HONOR))?.active], ['withdrawn', false])
  await operations.replay({ ids: [id], by: 'alice' })
  await waitFor(id, 'enrolled')
  assert.equal((await rowOf('alice@example.com', HONOR))?.mode, 'honor', 'the paid mode is not given back for free')
})

test('another person’s account is never touched', async () => {
  const id = await sold('zoe@example.com')
  await lms.people({ email: 'zoë@example.com', username: 'zoe2', active: true })
  await lms.seed({ enrollments: [{ email: 'zoë@example.com', course: DEMO, mode: 'audit', active: true }] })
  const { result } = await withdraw(id)
  assert.match(result?.courses[DEMO]?.why ?? '', /another address, z\*\*\*@example.com/)
  assert.equal((await rowOf('zoë@example.com', DEMO))?.active, true)
})

test('the allowance of another address, which the LMS’s database takes for the buyer’s, stays', async () => {
  await lms.people({ email: 'zoe@example.com', username: 'zoe', active: true })
  const id = await sold('zoe@example.com', [PYTHON])
  await lms.seed({ allowances: [{ email: 'zoë@example.com', course: PYTHON, auto_enroll: true, used: false }] })
  await withdraw(id)
  assert.equal((await rowOf('zoe@example.com', PYTHON))?.active, false)
  assert.deepEqual(
    (await lms.state()).allowances.map(({ email }) => email),
    ['zoë@example.com'],
  )
})

test('a buyer whose account is gone from the LMS has nothing to lose there', async () => {
  await lms.people({ email: 'carl@example.com', username: 'carl', active: true })
  const id = await sold('carl@example.com')
  await lms.reset()
  const { result } = await withdraw(id)
  assert.equal(result?.courses[DEMO]?.kind, 'nothing')
  assert.deepEqual([await stateOf(id), (await kinds(id)).at(-1)], ['withdrawn', 'withdrawn'])
})

test('a buyer who used the allowance, and whose address nobody has by now, is taken out', async () => {
  const email = 'waiting@example.com'
  const id = await sold(email)
  await lms.people({ email, username: 'waiting', active: false })
  await lms.activate(email)
  await lms.address({ formerly: email, email: 'moved@example.com' })
  const { result } = await withdraw(id)
  assert.deepEqual([result?.courses[DEMO]?.kind, result?.courses[DEMO]?.moved], ['unenrolled', true])
  assert.equal((await rowOf('moved@example.com', DEMO))?.active, false)
  assert.deepEqual([await stateOf(id), (await kinds(id)).at(-1)], ['withdrawn', 'withdrawn'])
})

test('a buyer who is taken out stays out, also after changing the address and changing it back', async () => {
  const [email, other] = ['waiting@example.com', 'moved@example.com']
  const id = await sold(email)
  await lms.people({ email, username: 'waiting', active: false })
  await lms.activate(email)
  await withdraw(id)
  await lms.address({ formerly: email, email: other })
  await lms.address({ formerly: other, email })
  assert.deepEqual([(await rowOf(email, DEMO))?.active, (await lms.state()).allowances], [false, []])
})

test('what the delivery never reported, and what was withdrawn before, is refused', async () => {
  const id = await sold('alice@example.com')
  const order = { id, paid: false, by: 'alice' }
  assert.deepEqual(await operations.withdraw({ ...order, courses: [PYTHON] }), {
    kind: 'refused',
    why: 'not_reported',
    course: PYTHON,
  })
  await withdraw(id, { courses: [DEMO.toLowerCase()] })
  assert.deepEqual(await operations.withdraw({ ...order, courses: null }), {
    kind: 'refused',
    why: 'nothing',
    course: '',
  })
  assert.deepEqual(await operations.withdraw({ ...order, id: 'NONE', courses: null }), { kind: 'unknown' })
  const rejected = await sold('alice@example.com', ['nonsense'])
  assert.equal((await operations.withdraw({ ...order, id: rejected, courses: null })).kind, 'refused')
})

test('a person who was never enrolled gets no inactive enrollment', async () => {
  const id = await sold('carl@example.com')
  await lms.reset()
  await lms.people({ email: 'carl@example.com', username: 'carl', active: true })
  const { result } = await withdraw(id)
  assert.equal(result?.courses[DEMO]?.kind, 'nothing')
  assert.equal(await rowOf('carl@example.com', DEMO), undefined)
  assert.equal(await stateOf(id), 'withdrawn')
})

test('the shop that sends a withdrawn sale again has the buyer enrolled again, in a batch as if it were new', async () => {
  const id = await sold('alice@example.com')
  await withdraw(id)
  await lms.forgetCalls()
  assert.equal(await sold('alice@example.com'), id)
  assert.deepEqual([await stateOf(id), (await rowOf('alice@example.com', DEMO))?.active], ['enrolled', true])
  const posts = (await lms.calls()).filter(({ method, path }) => method === 'POST' && path.includes('enroll'))
  assert.deepEqual(
    posts.map(({ path, count }) => [path, count]),
    [[BULK, 1]],
  )
})

for (const [api, options] of Object.entries({
  bulk_enroll: { modify: false },
  'the enrollment API': { modify: false, bulk: false },
})) {
  test(`an LMS without enrollments/modify is asked through ${api}`, async () => {
    const old = await startWithOperations({ lms: options })
    try {
      const enrolled = await old.sold('alice@example.com')
      const allowed = await old.sold('new@example.com')
      await old.withdraw(enrolled)
      await old.withdraw(allowed)
      const { enrollments, allowances } = await old.lms.state()
      assert.deepEqual(allowances, [])
      assert.equal(enrollments.find(({ email }) => email === 'alice@example.com')?.active, false)
      assert.deepEqual([await old.stateOf(enrolled), await old.stateOf(allowed)], ['withdrawn', 'withdrawn'])
    } finally {
      await old.stopAll()
    }
  })
}

async function waitFor(id: string, state: string): Promise<void> {
  await until(`the state ${state}`, async () => ((await stateOf(id)) === state ? true : undefined))
}
