import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unlimitedBudget } from '../../src/openedx/budget.ts'

test('a permit of the unlimited budget is for one call, and none is given after a stop', async () => {
  const permit = await unlimitedBudget().acquire(new AbortController().signal)
  permit.spend()
  permit.giveBack()
  assert.throws(() => permit.spend(), /one call/)
  await assert.rejects(unlimitedBudget().acquire(AbortSignal.abort(new Error('stop'))), /stop/)
})
