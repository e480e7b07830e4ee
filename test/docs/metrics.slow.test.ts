import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { addGauges, createMetrics } from '../../src/service/telemetry/metrics.ts'
import { codes, readDocument, tables } from './documents.ts'

const METRICS = z.array(z.object({ name: z.string(), type: z.string(), labelNames: z.array(z.string()) }))

test('the table of metrics has every metric of our own with its type and labels, and no other', () => {
  const { registry } = createMetrics()
  addGauges(registry, {
    now: () => 0,
    breaker: { state: () => ({ kind: 'closed' }) },
    breakers: { paused: () => [] },
    budget: { fullness: () => 1 },
    replicas: { liveCount: () => 1 },
    databaseReason: () => null,
    backlog: async () => ({
      queued: 0,
      pre_enrolled: 0,
      needs_attention: 0,
      rejected: 0,
      oldestReceivedAt: null,
      outbox: { pending: 0, failed: 0, oldestAt: null },
    }),
  })
  const own = METRICS.parse(registry.getMetricsAsArray()).filter(({ name }) => name.startsWith('lernito_'))
  const [rows = []] = tables(readDocument('docs/reference/metrics.md'))
  const documented = rows.map(([name = '', type = '', labels = '']) => [codes(name)[0], type, codes(labels).join()])
  const inCode = own.map(({ name, type, labelNames }) => [name, type, labelNames.join()])
  assert.ok(inCode.length > 10)
  assert.deepEqual(documented.sort(), inCode.sort())
})
