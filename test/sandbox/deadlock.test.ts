import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRowLocks } from '../../sandbox/lms/deadlock.ts'
import { createClock } from './clock.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, bulkPath, control, type Lms, modify, modifyPath } from './requests.ts'

type Send = (lms: Lms, people: string[]) => Promise<Response>

/** Two overlapping batch calls, of bulk_enroll or of modify: the second begins during the first. */
async function overlap(first: string[], second: string[], send: Send = bulk) {
  const clock = createClock()
  await using lms = await startRecordedWorld({ now: clock.now, sleep: clock.sleep })
  await control(lms, 'faults', {
    faults: [bulkPath, modifyPath()].map((path) => ({ method: 'POST', path, delayMs: 1000 })),
  })
  const one = send(lms, first)
  await clock.slept(1)
  const two = send(lms, second)
  await clock.slept(2)
  const during = await lms.state()
  clock.advance(1000)
  const [a, b] = await Promise.all([one, two])
  return { a, b: { status: b.status, text: await b.text() }, during, after: await lms.state() }
}

const emails = (rows: { email: string }[]) => rows.map(({ email }) => email)

test('of overlapping bulk calls in different order, the later one answers 500, and nothing of it is kept', async () => {
  const { a, b, after } = await overlap(['p1@x.org', 'p2@x.org'], ['p2@x.org', 'p1@x.org', 'p3@x.org'])
  assert.equal(a.status, 200)
  assert.equal(b.status, 500)
  assert.match(b.text, /Server error/)
  assert.deepEqual(emails(after.allowances), ['p1@x.org', 'p2@x.org'])
})

test('a deadlock on the last person gives a 200 with an error on that person, and nothing of the call is kept', async () => {
  const { a, b, after } = await overlap(['p1@x.org', 'p2@x.org'], ['p3@x.org', 'P2@x.org', 'p1@x.org'])
  assert.equal(a.status, 200)
  assert.equal(b.status, 200)
  const [course] = Object.values(JSON.parse(b.text).courses)
  const { results } = Object(course)
  assert.equal(results[0].after.allowed, true)
  assert.equal(results[1].after.allowed, true)
  assert.deepEqual(results[2], { identifier: 'p1@x.org', error: true })
  assert.deepEqual(emails(after.allowances), ['p1@x.org', 'p2@x.org'])
})

test('overlapping bulk calls with the identifiers in the same order both succeed', async () => {
  const { a, b, after } = await overlap(['p1@x.org', 'p2@x.org'], ['p1@x.org', 'p2@x.org', 'p3@x.org'])
  assert.deepEqual([a.status, b.status], [200, 200])
  assert.deepEqual(emails(after.allowances), ['p1@x.org', 'p2@x.org', 'p3@x.org'])
})

test('modify deadlocks like bulk_enroll, and calls with the addresses in the same order both succeed', async () => {
  const opposite = await overlap(['p1@x.org', 'p2@x.org'], ['p2@x.org', 'p1@x.org', 'p3@x.org'], modify)
  assert.deepEqual([opposite.a.status, opposite.b.status], [200, 500])
  assert.deepEqual(emails(opposite.after.allowances), ['p1@x.org', 'p2@x.org'])
  const onLast = await overlap(['p1@x.org', 'p2@x.org'], ['p3@x.org', 'P2@x.org', 'p1@x.org'], modify)
  assert.equal(onLast.b.status, 200)
  const { results } = JSON.parse(onLast.b.text)
  assert.equal(results[1].after.allowed, true)
  assert.deepEqual(results[2], { identifier: 'p1@x.org', error: true })
  assert.deepEqual(emails(onLast.after.allowances), ['p1@x.org', 'p2@x.org'])
  const sorted = await overlap(['p1@x.org', 'p2@x.org'], ['p1@x.org', 'p2@x.org', 'p3@x.org'], modify)
  assert.deepEqual([sorted.a.status, sorted.b.status], [200, 200])
})

test('the changes of a bulk call become visible together, when it ends', async () => {
  const { during } = await overlap(['p1@x.org'], ['p2@x.org'])
  assert.deepEqual(during.allowances, [])
})

test('a call that has ended locks nothing, and one common address never causes a deadlock', () => {
  const locks = createRowLocks()
  const first = locks.begin(['a', 'b'])
  assert.equal(locks.begin(['c', 'b']).verdict, 'clear')
  assert.equal(locks.begin(['b', 'a']).verdict, 'rolled_back_on_last')
  assert.equal(locks.begin(['b', 'a', 'd']).verdict, 'rolled_back')
  first.release()
  assert.equal(locks.begin(['b', 'a']).verdict, 'clear')
})
