import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  afterFailure,
  afterProbe,
  afterSuccess,
  type BreakerState,
  CLOSED,
  isOpen,
} from '../../src/enroll/breakers/breaker-state.ts'
import type { FailureKind } from '../../src/lms/client/failure.ts'

const failing = (kind: FailureKind, { alive = true, retryAfterMs = null as number | null, now = 0 } = {}) => ({
  failure: { kind, message: kind, retryAfterMs, mayHaveTakenEffect: false },
  alive,
  now,
})

const stateAfter = (results: readonly ReturnType<typeof failing>[], from: BreakerState = CLOSED): BreakerState =>
  results.reduce(afterFailure, from)
const probeIn = (state: BreakerState): number => (isOpen(state) ? state.probeAt : Number.NaN)

test('a call without an answer is an outage if the heartbeat fails too; otherwise the third in a row is', () => {
  assert.equal(stateAfter([failing('unreachable', { alive: false })]).kind, 'down')
  assert.equal(stateAfter([failing('unreachable'), failing('unreachable')]).kind, 'closed')
  assert.equal(stateAfter([failing('unreachable'), failing('unreachable'), failing('unreachable')]).kind, 'down')
  const answered = afterSuccess(stateAfter([failing('unreachable'), failing('unreachable')]))
  assert.equal(
    stateAfter([failing('unreachable')], answered).kind,
    'closed',
    'a successful answer in between resets the count',
  )
})

test('a 500 is an outage only if the heartbeat fails too, however many there are', () => {
  assert.equal(stateAfter(Array.from({ length: 50 }, () => failing('server_error'))).kind, 'closed')
  assert.equal(stateAfter([failing('server_error', { alive: false })]).kind, 'down')
})

test('a throttle lasts as long as the LMS says, or a minute if it says nothing', () => {
  assert.equal(probeIn(stateAfter([failing('throttled', { retryAfterMs: 58_000 })])), 58_000)
  assert.equal(probeIn(stateAfter([failing('throttled')])), 60_000)
})

test('a misconfiguration opens the circuit breaker at once, with probes after 10 s, 20 s, 40 s and then a minute', () => {
  let state = stateAfter([failing('misconfigured')])
  const waits = [probeIn(state)]
  for (let i = 0; i < 6; i++) {
    const now = probeIn(state)
    state = afterProbe(state, { succeeded: false, now })
    waits.push(probeIn(state) - now)
  }
  assert.deepEqual(waits, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000])
})

test('an outage is probed every 2 s; each relapse before a success doubles the wait, and a success resets it', () => {
  let state = stateAfter([failing('unreachable', { alive: false })])
  assert.equal(probeIn(state), 2_000)
  state = afterProbe(state, { succeeded: false, now: 2_000 })
  assert.equal(probeIn(state), 4_000)
  state = afterProbe(state, { succeeded: true, now: 4_000 })
  assert.equal(state.kind, 'half_open')
  assert.equal(probeIn(stateAfter([failing('unreachable', { alive: false })], state)), 4_000)
  assert.equal(probeIn(stateAfter([failing('unreachable', { alive: false })], afterSuccess(state))), 2_000)
})

test('after an outage, one call without an answer opens it again for longer, even if the heartbeat answers', () => {
  const down = stateAfter([failing('unreachable'), failing('unreachable'), failing('unreachable')])
  const halfOpen = afterProbe(down, { succeeded: true, now: 2_000 })
  assert.equal(probeIn(stateAfter([failing('unreachable')], halfOpen)), 4_000)
  assert.equal(stateAfter([failing('server_error')], halfOpen).kind, 'half_open')
  assert.equal(stateAfter([failing('unreachable')], afterSuccess(halfOpen)).kind, 'closed')
})

test('a call that was in flight when the circuit breaker opened changes nothing', () => {
  const open = stateAfter([failing('throttled', { retryAfterMs: 58_000 })])
  assert.equal(stateAfter([failing('misconfigured')], open), open)
  assert.equal(afterSuccess(open), open)
})
