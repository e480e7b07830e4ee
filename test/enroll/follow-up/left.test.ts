import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { setFacts } from '../../lines.ts'
import { ACCOUNTS, callsTo, type FollowUp, history, register, setUp } from './harness.ts'

const [ADA, NEW] = ['ada@x.example', 'ada@y.example']
const enrollment = (email: string, { course = DEMO, active = true } = {}) => ({ email, course, mode: 'audit', active })
const MOVED = 'the buyer’s account has another address now'

/** A sale whose buyer was seen enrolled, and has another address now. */
async function movedBuyer(bench: FollowUp, email = ADA): Promise<string> {
  const id = await bench.sellOne({ email, courses: { [DEMO]: 'enrolled' } })
  await register(bench, email)
  await bench.seed({ enrollments: [enrollment(email)] })
  await bench.check([id])
  await bench.address({ formerly: email, email: NEW })
  bench.later(1)
  return id
}

test('check now finds a buyer by the id of the account after the address has changed, and says so', async (t) => {
  const bench = await setUp(t)
  const id = await movedBuyer(bench)
  await bench.check([id])
  const { [DEMO]: found } = (await bench.delivery(id)).standings
  assert.deepEqual([found?.standing, found?.mode, found?.moved], ['enrolled', 'audit', true])
  assert.equal((await history(bench, id)).at(-1), `checked: ${DEMO}: enrolled (audit); ${MOVED}`)
})

test('a second account that has the address now is not taken for the buyer', async (t) => {
  const bench = await setUp(t)
  const id = await movedBuyer(bench)
  await bench.people({ email: ADA, username: 'second', active: true })
  await bench.seed({ enrollments: [enrollment(ADA), enrollment(NEW, { active: false })] })
  const before = (await bench.delivery(id)).accounts
  await bench.check([id])
  const { standings, accounts } = await bench.delivery(id)
  assert.deepEqual([standings[DEMO]?.standing, standings[DEMO]?.moved], ['unenrolled', true])
  assert.deepEqual(accounts, before, 'and never becomes the buyer by a check')
})

test('two sales to one address that two accounts had, one after the other, are each looked up for their own', async (t) => {
  const bench = await setUp(t)
  const first = await movedBuyer(bench)
  await bench.people({ email: ADA, username: 'second', active: true })
  await bench.seed({ enrollments: [enrollment(ADA, { active: false })] })
  const second = await bench.sellOne({ email: ADA, order: 2, courses: { [DEMO]: 'enrolled' } })
  await bench.check([first, second])
  const of = async (id: string) => (await bench.delivery(id)).standings[DEMO]
  assert.deepEqual([(await of(first))?.standing, (await of(first))?.moved], ['enrolled', true])
  assert.deepEqual([(await of(second))?.standing, (await of(second))?.moved], ['unenrolled', undefined])
})

test('only those who have left their address cost a call, and of one whose account is gone nobody is the buyer, whoever has the address', async (t) => {
  const bench = await setUp(t)
  const id = await movedBuyer(bench)
  const [there = '', gone = ''] = await bench.sell([
    { email: 'bob@x.example', courses: { [DEMO]: 'enrolled' } },
    { email: 'cy@x.example', courses: { [DEMO]: 'enrolled' } },
  ])
  await register(bench, 'bob@x.example')
  await register(bench, 'cy@x.example')
  await bench.seed({ enrollments: [enrollment('bob@x.example'), enrollment('cy@x.example')] })
  await bench.check([there, gone])
  await setFacts(bench.db, gone, { accounts: { [DEMO]: { id: 99_999, username: 'cy' } } })
  await bench.forgetCalls()
  bench.later(1)
  await bench.check([id, there, gone])
  assert.deepEqual(await callsTo(bench, ACCOUNTS), [2], 'by id: the one that left, and the one that was deleted')
  const { standings } = await bench.delivery(gone)
  const { standing, moved, endedAt } = standings[DEMO] ?? {}
  assert.deepEqual([standing, moved, endedAt], ['missing', undefined, bench.clock.at])
})

test('an account that was retired after it changed its address is retired', async (t) => {
  const bench = await setUp(t)
  const id = await movedBuyer(bench)
  await bench.retire(NEW)
  await bench.check([id])
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'retired' })
})

test('Check now finds a buyer who activated and left the address between two rounds by the allowance', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  await bench.seed({ allowances: [{ email: ADA, course: DEMO, auto_enroll: true, used: false }] })
  await bench.round()
  await register(bench, ADA)
  await bench.address({ formerly: ADA, email: NEW })
  bench.later(1)
  await bench.round()
  assert.deepEqual(await bench.standings(id), { [DEMO]: 'no_account' })
  await bench.check([id])
  const { state, accounts, standings } = await bench.delivery(id)
  assert.deepEqual([state, standings[DEMO]?.standing, standings[DEMO]?.moved], ['enrolled', 'enrolled', true])
  assert.equal(typeof accounts[DEMO]?.id, 'number')
})
