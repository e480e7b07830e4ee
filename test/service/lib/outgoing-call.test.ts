import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { startDeadline } from '../../../src/service/lib/outgoing-call.ts'

const LONG_MS = 60_000

test('a call that takes too long is ended', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const deadline = startDeadline({ ms: LONG_MS, signal: new AbortController().signal })
  const aborted = once(deadline.signal, 'abort')
  t.mock.timers.tick(LONG_MS)
  await aborted
  assert.equal(deadline.isOver(), true)
})

test('a signal that ends the call gives its reason, also if it was aborted before', () => {
  const reason = new Error('the lease is lost')
  const stop = new AbortController()
  const before = startDeadline({ ms: LONG_MS, signal: stop.signal })
  stop.abort(reason)
  const after = startDeadline({ ms: LONG_MS, signal: stop.signal })
  for (const { signal, isOver, clear } of [before, after]) {
    assert.equal(signal.reason, reason)
    assert.equal(isOver(), false)
    clear()
  }
})

test('after the end of its call a deadline aborts nothing', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const stop = new AbortController()
  const deadline = startDeadline({ ms: LONG_MS, signal: stop.signal })
  deadline.clear()
  t.mock.timers.tick(LONG_MS)
  stop.abort()
  assert.equal(deadline.signal.aborted, false)
  assert.equal(deadline.isOver(), false)
})
