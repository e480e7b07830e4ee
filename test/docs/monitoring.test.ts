import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { codes, readDocument, section, tables } from './documents.ts'

test('the table of metrics has every metric of our own with its labels, and no other', async () => {
  const { registry } = createMetrics({
    now: () => 0,
    breakerState: () => 'closed',
    pausedCourses: () => 0,
    budgetFullness: () => 1,
    replicas: () => 1,
    databaseReason: () => null,
    backlog: async () => ({ waiting: 0, needsAttention: 0, oldestReceivedAt: null }),
  })
  const own = (await registry.metrics()).matchAll(/^# HELP (lernito_\w+)/gm)
  const names = [...own].map(([, name]) => name)
  assert.ok(names.length > 10)
  const [rows = []] = tables(section(readDocument('docs/monitoring.md'), '## Metrics'))
  assert.deepEqual(rows.map(([name = '']) => codes(name)[0]).sort(), names.sort())
})
