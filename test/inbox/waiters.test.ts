import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Progress } from '../../src/delivery/types.ts'
import { createWaiters, WAITING_MAX } from '../../src/inbox/waiters.ts'
import { bytesKept } from './memory.ts'

const NOW = 1_769_860_800_000
const DEADLINE = NOW + 60_000
const outcome = { courses: {}, reason: null }
const done: Progress = { state: 'succeeded', outcome, dueAt: null, generation: 0 }
const retryAt = (dueAt: number): Progress => ({ state: 'waiting', outcome, dueAt, generation: 0 })

const create = () => createWaiters({ now: () => NOW })

test('everyone who waits for a delivery is told what it came to, and nobody else', { timeout: 5000 }, async () => {
  const waiters = create()
  const first = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  const second = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  const other = waiters.wait({ id: 'b', generation: 0, deadline: DEADLINE })
  waiters.tell('a', done)
  assert.deepEqual([await first, await second], [done, done])
  waiters.tell('b', retryAt(DEADLINE))
  assert.deepEqual(await other, retryAt(DEADLINE))
})

test('telling when nobody waits, or nobody any more, does nothing', { timeout: 5000 }, async () => {
  const waiters = create()
  waiters.tell('a', done)
  const answered = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.tell('a', retryAt(DEADLINE))
  waiters.tell('a', done)
  assert.deepEqual(await answered, retryAt(DEADLINE))
})

test('when too many wait the next is told at once, until one of them has its answer', { timeout: 5000 }, async () => {
  const waiters = create()
  const waits = Array.from({ length: WAITING_MAX }, (_, i) =>
    waiters.wait({ id: `d${i % 1000}`, generation: 0, deadline: DEADLINE }),
  )
  assert.equal(await waiters.wait({ id: 'next', generation: 0, deadline: DEADLINE }), null)
  waiters.tell('d0', done)
  waiters.tell('d0', done)
  const freed = Array.from({ length: WAITING_MAX / 1000 }, (_, i) =>
    waiters.wait({ id: `f${i}`, generation: 0, deadline: DEADLINE }),
  )
  assert.equal(await waiters.wait({ id: 'next', generation: 0, deadline: DEADLINE }), null)
  waiters.giveUp()
  const last = waiters.wait({ id: 'last', generation: 0, deadline: DEADLINE })
  waiters.tell('last', done)
  assert.deepEqual(await last, done)
  assert.equal((await Promise.all([...waits, ...freed])).filter((one) => one === null).length, WAITING_MAX)
})

test('a try before the deadline is waited for, one at the deadline or later is not', { timeout: 5000 }, async () => {
  const waiters = create()
  const patient = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.tell('a', retryAt(DEADLINE - 1))
  waiters.tell('a', done)
  assert.deepEqual(await patient, done)
  const late = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.tell('a', retryAt(DEADLINE))
  waiters.tell('a', done)
  assert.deepEqual(await late, retryAt(DEADLINE))
})

test('when the time is up the answer is that there is none', { timeout: 5000 }, async () => {
  const waiters = create()
  assert.equal(await waiters.wait({ id: 'a', generation: 0, deadline: NOW + 1 }), null)
  assert.equal(await waiters.wait({ id: 'a', generation: 0, deadline: NOW - 1000 }), null)
})

test('giving up tells everyone, and the next ones wait again', { timeout: 5000 }, async () => {
  const waiters = create()
  const waiting = [
    waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE }),
    waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE }),
    waiters.wait({ id: 'b', generation: 0, deadline: DEADLINE }),
  ]
  waiters.giveUp()
  assert.deepEqual(await Promise.all(waiting), [null, null, null])
  const again = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.tell('a', done)
  assert.deepEqual(await again, done)
})

test('those who were answered leave nothing behind in memory', { timeout: 5000 }, async () => {
  const waiters = create()
  let count = 0
  const bytes = await bytesKept(() => waiters.wait({ id: `delivery ${count++}`, generation: 0, deadline: NOW }))
  assert(bytes < 100, `${bytes} bytes are kept for each`)
})

test('an attempt answers only those who asked before it began', { timeout: 5000 }, async () => {
  const waiters = create()
  const before = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  const after = waiters.wait({ id: 'a', generation: 1, deadline: DEADLINE })
  waiters.tell('a', done)
  assert.deepEqual(await before, done)
  assert.ok(waiters.isAwaited('a'))
  waiters.tell('a', { ...done, generation: 1 })
  assert.deepEqual(await after, { ...done, generation: 1 })
})
