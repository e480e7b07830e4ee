import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeToEnrollmentCounter, timeToEnrollmentSummary } from '../../src/counters/time-to-enrollment.ts'
import { readBacklog } from '../../src/operations/overview.ts'
import {
  accepted,
  arrival,
  counters,
  needsAttention,
  only,
  rejectedArrival,
  retry,
  START,
  settled,
  setUp,
  succeeded,
} from '../inbox/harness.ts'

const DAY_MS = 24 * 3_600_000
const person = (number: number) => arrival({ email: `p${number}@x.example` })

test('the overview counts each of the last 30 days, today last, including days without events', async (t) => {
  const { store, operations, clock } = await setUp(t)
  clock.at = START - 30 * DAY_MS
  await store.write([accepted(person(0))]) // a day too old
  clock.at = START - 29 * DAY_MS
  const { id } = only(await store.write([accepted(person(1))]))
  await store.write([settled(succeeded(id))])
  clock.at = START
  const [attention, again] = await store.write([accepted(person(2)), accepted(person(3)), accepted(rejectedArrival())])
  assert(attention && again)
  await store.write([
    settled(needsAttention(attention.id)),
    settled(retry(again.id, START + 5000)),
    accepted(person(3)),
  ])
  const { days } = await operations.overview()
  assert.equal(days.length, 30)
  const none = {
    received: 0,
    repeated: 0,
    enrolled: 0,
    preEnrolled: 0,
    claimed: 0,
    rejected: 0,
    needsAttention: 0,
    retries: 0,
    idReused: 0,
  }
  assert.deepEqual(days[0], { ...none, day: '2026-01-02', received: 1, enrolled: 1 })
  assert.deepEqual(days[1], { ...none, day: '2026-01-03' })
  const today = {
    received: 3,
    repeated: 1,
    enrolled: 0,
    preEnrolled: 0,
    claimed: 0,
    rejected: 1,
    needsAttention: 1,
    retries: 1,
    idReused: 0,
  }
  assert.deepEqual(days[29], { day: '2026-01-31', ...today })
})

test('the overview names the oldest queued delivery, and the metrics count those that are queued or need attention', async (t) => {
  const bench = await setUp(t)
  const { store, operations, clock } = bench
  const empty = await operations.overview()
  assert.deepEqual([empty.oldestQueued, empty.replicas], [null, 1])
  assert.deepEqual(await readBacklog(bench.db), {
    queued: 0,
    preEnrolled: 0,
    needsAttention: 0,
    oldestReceivedAt: null,
  })

  const [done, oldest] = await store.write([accepted(person(0)), accepted(person(1))])
  assert(done && oldest)
  clock.at += 1000
  const attention = only(await store.write([accepted(person(2))]))
  await store.write([accepted(person(3)), settled(succeeded(done.id)), settled(needsAttention(attention.id))])
  clock.at += 1000
  await store.write([settled(retry(oldest.id, START + DAY_MS))]) // it is the one with the latest activity, too
  assert.deepEqual((await operations.overview()).oldestQueued, { id: oldest.id, receivedAt: START })
  assert.deepEqual(await readBacklog(bench.db), {
    queued: 2,
    preEnrolled: 0,
    needsAttention: 1,
    oldestReceivedAt: START,
  })
})

test('the time to enrollment runs from the first arrival to the first success, and counts once', async (t) => {
  const { store, operations, clock, inbox, published, ...bench } = await setUp(t)
  assert.equal((await operations.overview()).secondsToEnrollment, null)
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
  clock.at += DAY_MS
  await store.write([accepted(person(1))])
  await store.write([settled(succeeded(id))])
  const took = Object.entries(await counters(bench)).filter(([name]) => name.includes('seconds'))
  assert.deepEqual(took, [['2026-01-31 seconds_to_enrollment_le_5', 1]])
  const { secondsToEnrollment } = await operations.overview()
  assert.deepEqual(secondsToEnrollment, { median: 4.5, p95: 4.95, count: 1 })
})

test('median and p95 come from a limited number of buckets, and lie in the right one', () => {
  const names = new Map<string, number>()
  const times = Array.from({ length: 1000 }, (_, i) => i * 100) // 0 to 99.9 s
  for (const ms of times) names.set(timeToEnrollmentCounter(ms), (names.get(timeToEnrollmentCounter(ms)) ?? 0) + 1)
  const summary = timeToEnrollmentSummary([...names].map(([name, count]) => ({ name, count })))
  assert(summary)
  assert.ok(Math.abs(summary.median - 50) < 1, `${summary.median}`)
  assert.ok(summary.p95 > 60 && summary.p95 <= 120, `${summary.p95}`)
  const all = Array.from({ length: 60 }, (_, i) => timeToEnrollmentCounter(2 ** i))
  assert.ok(new Set(all).size <= 27)
  assert.ok(all.every((name) => name.length <= 48))
  const late = timeToEnrollmentSummary([{ name: timeToEnrollmentCounter(30 * DAY_MS), count: 1 }])
  assert.deepEqual(late, { median: 345_600, p95: 345_600, count: 1 })
  assert.equal(timeToEnrollmentSummary([{ name: 'received', count: 7 }]), null)
})
