import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBacklog } from '../../../src/operators/reports/overview.ts'
import type { Source } from '../../../src/sale/types.ts'
import {
  accepted,
  arrival,
  needsAttention,
  only,
  rejectedArrival,
  retry,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

const DAY_MS = 24 * 3_600_000
const person = (number: number) => arrival({ email: `p${number}@x.example` })

test('the overview names the oldest queued delivery, and the metrics count those that are queued, rejected or need attention', async (t) => {
  const bench = await setUp(t)
  const { store, operations, clock } = bench
  const empty = await operations.overview()
  assert.equal(empty.oldestQueued, null)
  assert.deepEqual(await readBacklog(bench.db), {
    queued: 0,
    pre_enrolled: 0,
    needs_attention: 0,
    rejected: 0,
    oldestReceivedAt: null,
    oldestRequestedAt: null,
    withdrawalsFailed: 0,
  })

  const [done, oldest] = await store.write([accepted(person(0)), accepted(person(1))])
  assert(done && oldest)
  clock.at += 1000
  const attention = only(await store.write([accepted(person(2))]))
  await store.write([
    accepted(rejectedArrival()),
    accepted(person(3)),
    settled(succeeded(done.id)),
    settled(needsAttention(attention.id)),
  ])
  clock.at += 1000
  await store.write([settled(retry(oldest.id, START + DAY_MS))]) // it is the one with the latest activity, too
  assert.deepEqual((await operations.overview()).oldestQueued, { id: oldest.id, receivedAt: START })
  assert.deepEqual(await readBacklog(bench.db), {
    queued: 2,
    pre_enrolled: 0,
    needs_attention: 1,
    rejected: 1,
    oldestReceivedAt: START,
    oldestRequestedAt: null,
    withdrawalsFailed: 0,
  })
})

test('the overview and the metrics tell since when the oldest open withdrawal waits', async (t) => {
  const { store, operations, clock, db } = await setUp(t)
  const sales = await store.write([accepted(person(0)), accepted(person(1))])
  await store.write(sales.map(({ id }) => settled(succeeded(id))))
  for (const { id } of sales) {
    clock.at += 1000
    await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  }
  assert.deepEqual((await operations.overview()).oldestWithdrawal, { id: sales[0]?.id, requestedAt: START + 1000 })
  assert.equal((await readBacklog(db)).oldestRequestedAt, START + 1000)
})

test('the time to enrollment runs from the first arrival to the first success, and is that of the last day', async (t) => {
  const { store, operations, clock, inbox, published } = await setUp(t)
  assert.equal((await operations.overview()).pace, null)
  const { id } = await inbox.submit(person(1), null)
  await inbox.claim(1, new AbortController().signal)
  clock.at += 4500
  await inbox.settle([succeeded(id)])
  assert.deepEqual(
    published.map(({ kind, timeToEnrollmentMs }) => [kind, timeToEnrollmentMs]),
    [
      ['received', undefined],
      ['enrolled', 4500],
    ],
  )
  clock.at += DAY_MS / 2
  await store.write([accepted(person(1))])
  await store.write([settled(succeeded(id))])
  assert.deepEqual((await operations.overview()).pace, { median: 4500, p95: 4500 })
  clock.at += DAY_MS / 2
  assert.equal((await operations.overview()).pace, null, 'of the sales of the last 24 hours')
})

test('the time to enrollment is that of the latest thousand sales, and of no test sale', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const sell = async (from: number, to: number, tookMs: number, source: Source = 'shop'): Promise<void> => {
    const people = Array.from({ length: to - from }, (_, i) => accepted({ ...person(from + i), source }))
    const ids = (await store.write(people)).map(({ id }) => id)
    clock.at += tookMs
    await store.write(ids.map((id) => settled(succeeded(id))))
  }
  await sell(2000, 2010, 90_000, 'test')
  assert.equal((await operations.overview()).pace, null)
  await sell(0, 100, 60_000)
  await sell(100, 1000, 2000)
  assert.deepEqual((await operations.overview()).pace, { median: 2000, p95: 60_000 })
  await sell(1000, 1100, 2000)
  assert.deepEqual((await operations.overview()).pace, { median: 2000, p95: 2000 })
})
