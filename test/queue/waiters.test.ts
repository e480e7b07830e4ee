import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LONGEST_WAIT_MS } from '../../src/queue/retry-schedule.ts'
import { answersSender, createWaiters, WAITING_MAX } from '../../src/queue/waiters.ts'
import type { Progress } from '../../src/sale/types.ts'
import { bytesKept } from './memory.ts'

const NOW = 1_769_860_800_000
const WAIT_MS = 600_000
const DEADLINE = performance.now() + WAIT_MS
/** By the clock of the database. */
const [BEFORE, AFTER] = [NOW + 1000, NOW + WAIT_MS]
const done: Progress = { state: 'enrolled', reason: null, dueAt: null, generation: 0 }
const retryAt = (dueAt: number): Progress => ({ state: 'queued', reason: null, dueAt, generation: 0 })

const create = () => createWaiters({ max: WAITING_MAX, isAnswer: answersSender(() => NOW) })

test('every sender that waits for a delivery gets its result, and no other sender does', {
  timeout: 30_000,
}, async () => {
  const waiters = create()
  const first = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  const second = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  const other = waiters.wait({ id: 'b', generation: 0, deadline: DEADLINE })
  waiters.notify('a', done)
  assert.deepEqual([await first, await second], [done, done])
  waiters.notify('b', retryAt(AFTER))
  assert.deepEqual(await other, retryAt(AFTER))
})

test('a result that no sender waits for, or waits for any longer, changes nothing', { timeout: 30_000 }, async () => {
  const waiters = create()
  waiters.notify('a', done)
  const answered = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.notify('a', retryAt(AFTER))
  waiters.notify('a', done)
  assert.deepEqual(await answered, retryAt(AFTER))
})

test('a refused course answers a sender at once, even if the rest is tried again before the deadline', {
  timeout: 30_000,
}, async () => {
  const waiters = create()
  const answered = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.notify('a', retryAt(NOW))
  const reason = { code: 'lms.refused', subject: 'full' } as const
  const refused = { ...retryAt(NOW), reason }
  waiters.notify('a', refused)
  assert.deepEqual(await answered, refused)
})

test('an attempt further ahead than any wait is due, so it answers nobody: the clock was set back since', {
  timeout: 30_000,
}, async () => {
  const waiters = create()
  const answered = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.notify('a', retryAt(NOW + 2 * LONGEST_WAIT_MS))
  waiters.notify('a', done)
  assert.deepEqual(await answered, done)
})

test('when too many senders wait, the next one is answered at once, until one of them has its answer', {
  timeout: 30_000,
}, async () => {
  const waiters = create()
  const waits = Array.from({ length: WAITING_MAX }, (_, i) =>
    waiters.wait({ id: `d${i % 1000}`, generation: 0, deadline: DEADLINE }),
  )
  assert.equal(await waiters.wait({ id: 'next', generation: 0, deadline: DEADLINE }), null)
  waiters.notify('d0', done)
  waiters.notify('d0', done)
  const freed = Array.from({ length: WAITING_MAX / 1000 }, (_, i) =>
    waiters.wait({ id: `f${i}`, generation: 0, deadline: DEADLINE }),
  )
  assert.equal(await waiters.wait({ id: 'next', generation: 0, deadline: DEADLINE }), null)
  waiters.giveUp()
  const last = waiters.wait({ id: 'last', generation: 0, deadline: DEADLINE })
  waiters.notify('last', done)
  assert.deepEqual(await last, done)
  assert.equal((await Promise.all([...waits, ...freed])).filter((one) => one === null).length, WAITING_MAX)
})

test('a sender waits for an attempt before the deadline, but not for one at the deadline or later', {
  timeout: 30_000,
}, async () => {
  const waiters = create()
  const patient = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.notify('a', retryAt(BEFORE))
  waiters.notify('a', done)
  assert.deepEqual(await patient, done)
  const late = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.notify('a', retryAt(AFTER))
  waiters.notify('a', done)
  assert.deepEqual(await late, retryAt(AFTER))
})

test('after the deadline there is no result', { timeout: 30_000 }, async () => {
  const waiters = create()
  assert.equal(await waiters.wait({ id: 'a', generation: 0, deadline: performance.now() + 1 }), null)
  assert.equal(await waiters.wait({ id: 'a', generation: 0, deadline: performance.now() - 1000 }), null)
})

test('giving up answers all senders, and later ones wait again', { timeout: 30_000 }, async () => {
  const waiters = create()
  const waiting = [
    waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE }),
    waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE }),
    waiters.wait({ id: 'b', generation: 0, deadline: DEADLINE }),
  ]
  waiters.giveUp()
  assert.deepEqual(await Promise.all(waiting), [null, null, null])
  const again = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  waiters.notify('a', done)
  assert.deepEqual(await again, done)
})

test('answered senders leave nothing in memory', { timeout: 30_000 }, async () => {
  const waiters = create()
  let count = 0
  const bytes = await bytesKept(() =>
    waiters.wait({ id: `delivery ${count++}`, generation: 0, deadline: performance.now() }),
  )
  assert(bytes < 100, `${bytes} bytes are kept for each`)
})

test('an attempt answers only the senders from before it began', { timeout: 30_000 }, async () => {
  const waiters = create()
  const before = waiters.wait({ id: 'a', generation: 0, deadline: DEADLINE })
  const after = waiters.wait({ id: 'a', generation: 1, deadline: DEADLINE })
  waiters.notify('a', done)
  assert.deepEqual(await before, done)
  assert.ok(waiters.isAwaited('a'))
  waiters.notify('a', { ...done, generation: 1 })
  assert.deepEqual(await after, { ...done, generation: 1 })
})
