import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createLease } from '../../../src/queue/replicas/lease.ts'
import { AppError } from '../../../src/service/lib/errors.ts'

const isLost = (error: unknown): boolean => error instanceof AppError && error.code === 'lease.lost'

function setUp(forMs: number) {
  const clock = { at: 1000 }
  return { clock, lease: createLease({ forMs, clock: () => clock.at }) }
}

test('no call may begin before the first heartbeat is confirmed', () => {
  assert.throws(() => setUp(100).lease.signal(), isLost)
})

test('the lease starts when the heartbeat is sent, not when it is confirmed', () => {
  const { clock, lease } = setUp(100)
  clock.at = 1080
  lease.extend(1000)
  assert.equal(lease.signal().aborted, false)
  clock.at = 1100
  assert.throws(() => lease.signal(), isLost)
})

test('a heartbeat that is confirmed after the end of the lease aborts the calls of the old lease and begins a new one', () => {
  const { clock, lease } = setUp(100)
  lease.extend(1000)
  const old = lease.signal()
  clock.at = 5000 // the whole process was paused: its timers did not run
  lease.extend(4990)
  assert.equal(old.aborted, true)
  assert.equal(lease.signal().aborted, false)
})

test('each heartbeat extends the lease of the calls in flight', () => {
  const { clock, lease } = setUp(100)
  lease.extend(1000)
  const call = lease.signal()
  clock.at = 1090
  lease.extend(1090)
  clock.at = 1180
  assert.equal(lease.signal(), call)
  assert.equal(call.aborted, false)
})

test('a call in flight is aborted when the lease ends', { timeout: 30_000 }, async () => {
  const lease = createLease({ forMs: 500, clock: () => performance.now() })
  lease.extend(performance.now())
  const keepAlive = setInterval(() => {}, 1000)
  await once(lease.signal(), 'abort')
  clearInterval(keepAlive)
  assert.throws(() => lease.signal(), isLost)
})
