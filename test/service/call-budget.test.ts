import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCallBudget } from '../../src/service/lms.ts'

test('a step of the clock gives nobody more calls', () => {
  let at = 1_000_000
  const budget = createCallBudget({ callsPerMinute: 1, now: () => at, replicas: () => 1, lastUsedAt: at })
  assert.equal(budget.tryAcquire(0), null)
  for (const step of [3_600_000, -7_200_000]) {
    at += step
    assert.equal(budget.tryAcquire(0), null)
  }
})

test('the time since the last call before a start counts, but not one that is still to come', () => {
  const budgetAfter = (ms: number) =>
    createCallBudget({ callsPerMinute: 110, now: () => 3_600_000, replicas: () => 1, lastUsedAt: 3_600_000 - ms })
  assert.notEqual(budgetAfter(60_000).tryAcquire(0), null)
  for (const ms of [0, -60_000]) assert.equal(budgetAfter(ms).tryAcquire(0), null)
})

test('a last call that becomes known after the start counts as one that was known before it', () => {
  const budget = createCallBudget({ callsPerMinute: 110, now: () => 3_600_000, replicas: () => 1, lastUsedAt: null })
  for (const [lastUsedAt, isFull] of [
    [3_600_000, false],
    [3_540_000, true],
    [3_600_000, false],
    [null, true],
  ] as const) {
    budget.beginAgain(lastUsedAt)
    assert.equal(budget.tryAcquire(0) !== null, isFull, `${lastUsedAt}`)
  }
})
