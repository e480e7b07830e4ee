import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createTaskLease } from '../../../src/queue/replicas/task-lease.ts'
import { type Replica, setUp } from '../harness.ts'

const FOR_MS = 60_000
const REST_MS = 900_000

/** Three replicas of one database, each with its lease and a monotonic clock that a test moves. */
async function replicas(t: TestContext) {
  const { replica, ...first } = await setUp(t)
  const all = [first, await replica('replica-2'), await replica('replica-3')]
  const clock = { at: 0 }
  const leaseOf = ({ database, me }: Pick<Replica, 'database' | 'me'>) =>
    createTaskLease({
      database,
      name: 'follow-up',
      me: () => me,
      forMs: FOR_MS,
      longestMs: REST_MS,
      clock: () => clock.at,
    })
  const [a, b, c] = all.map(leaseOf)
  assert.ok(a && b && c)
  const shift = (ms: number) =>
    first.db
      .updateTable('leases')
      .set((eb) => ({ until: eb('until', '+', ms) }))
      .execute()
  return { a, b, c, all: [a, b, c], clock, shift, rows: () => first.db.selectFrom('leases').selectAll().execute() }
}

test('of replicas that try at the same time, one gets the lease', async (t) => {
  const { all } = await replicas(t)
  const taken = await Promise.all(all.map((lease) => lease.take()))
  assert.equal(taken.filter(Boolean).length, 1)
})

test('a lease that is renewed stays with its holder; one that ended can be taken over', async (t) => {
  const { a, b, clock, shift } = await replicas(t)
  assert.equal(await a.take(), true)
  await shift(-FOR_MS + 5_000)
  clock.at += FOR_MS / 2
  assert.equal(await a.hold(), true)
  await shift(-5_000)
  assert.equal(await b.take(), false, 'it was renewed for its full time')
  await shift(-FOR_MS)
  assert.equal(await b.take(), true)
  clock.at += FOR_MS / 2
  assert.equal(await a.hold(), false)
  assert.equal(await b.hold(), true)
})

test('a holder that lost the lease doesn’t give up that of the next one', async (t) => {
  const { a, b, c, shift } = await replicas(t)
  await a.take()
  await shift(-FOR_MS - 1)
  await b.take()
  await a.rest(0)
  assert.equal(await c.take(), false)
})

test('nobody takes the lease during a rest, and everybody can afterwards', async (t) => {
  const { a, b, shift, rows } = await replicas(t)
  await a.take()
  await a.rest(REST_MS)
  assert.equal(await a.take(), false)
  assert.equal(await b.take(), false)
  await shift(-REST_MS - 1)
  assert.equal(await b.take(), true)
  assert.equal((await rows()).length, 1)
})

test('a rest from before the clock was set back by hours ends at once', async (t) => {
  const { a, b, shift } = await replicas(t)
  await a.take()
  await a.rest(REST_MS)
  await shift(3 * 3_600_000)
  assert.equal(await b.take(), true)
})

test('a replica whose round failed takes its own lease again', async (t) => {
  const { a } = await replicas(t)
  assert.equal(await a.take(), true)
  assert.equal(await a.take(), true)
})
