import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import OPEN_API from '../../../docs/reference/openapi.json' with { type: 'json' }
import METRICS from '../../../src/service/telemetry/metrics.json' with { type: 'json' }
import { addGauges, type Backlog, createMetrics } from '../../../src/service/telemetry/metrics.ts'
import { createObserver } from '../../../src/service/telemetry/observer.ts'
import { watchedLog } from '../../log-watch.ts'

const MONITORING = join(import.meta.dirname, '../../../deploy/monitoring')
const read = (file: string): string => readFileSync(join(MONITORING, file), 'utf8')

const REFUSED = { code: 'signature', status: 401, ip: '203.0.113.7' }

function setUp() {
  const state = {
    at: 100_000,
    breaker: 'closed' as 'closed' | 'down',
    backlog: async (): Promise<Backlog> => ({
      queued: 3,
      pre_enrolled: 1,
      needs_attention: 2,
      rejected: 4,
      oldestReceivedAt: 40_000,
      oldestRequestedAt: 70_000,
      withdrawalsFailed: 6,
      outbox: { pending: 5, failed: 2, oldestAt: 40_000 },
    }),
    reads: 0,
  }
  const metrics = createMetrics()
  addGauges(metrics.registry, {
    now: () => state.at,
    breaker: { state: () => ({ kind: state.breaker }) },
    breakers: { paused: () => [1, 2, 3, 4] },
    budget: { fullness: () => 0.25 },
    replicas: { liveCount: () => 2 },
    databaseReason: () => null,
    backlog: () => {
      state.reads++
      return state.backlog()
    },
  })
  const lines = async (prefix: string): Promise<string[]> =>
    (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith(prefix))
  const { log } = watchedLog({ level: 'info', env: {} })
  const observer = createObserver({ log, metrics })
  return { metrics, observer, state, lines }
}

/** Returns the names of all series of /metrics, including those of histograms. */
async function names(): Promise<Set<string>> {
  const { observer, lines } = setUp()
  observer.onRefundAnswer(200)
  observer.onNotified({ posted: { ok: true, status: 200 }, causes: 1, retryInMs: null })
  observer.onAnswer(200)
  observer.onRefused(REFUSED)
  observer.onCall({ endpoint: '/heartbeat', method: 'GET', status: 200, ms: 3 })
  return new Set((await lines('')).flatMap((line) => /^[a-z_0-9]+/.exec(line)?.[0] ?? []))
}

test('the gauges have the values of their sources at the scrape', async () => {
  const { state, lines } = setUp()
  assert.deepEqual(await lines('lernito_call_budget'), ['lernito_call_budget_used_ratio 0.75'])
  assert.deepEqual(await lines('lernito_courses'), ['lernito_courses_paused 4'])
  assert.deepEqual(await lines('lernito_oldest'), [
    'lernito_oldest_queued_seconds 60',
    'lernito_oldest_withdrawal_seconds 30',
  ])
  assert.deepEqual(await lines('lernito_withdrawals'), ['lernito_withdrawals_failed 6'])
  assert.deepEqual(await lines('lernito_deliveries_'), [
    'lernito_deliveries_queued 3',
    'lernito_deliveries_pre_enrolled 1',
    'lernito_deliveries_needing_attention 2',
    'lernito_deliveries_rejected 4',
  ])
  state.breaker = 'down'
  assert.deepEqual((await lines('lernito_lms_circuit_breaker')).sort(), [
    'lernito_lms_circuit_breaker{state="closed"} 0',
    'lernito_lms_circuit_breaker{state="down"} 1',
    'lernito_lms_circuit_breaker{state="half_open"} 0',
    'lernito_lms_circuit_breaker{state="misconfigured"} 0',
    'lernito_lms_circuit_breaker{state="throttled"} 0',
  ])
})

test('scrapes read the database at most once in five seconds', async () => {
  const { state, lines } = setUp()
  await lines('')
  await lines('')
  assert.equal(state.reads, 1)
  state.at += 5_000
  await lines('')
  assert.equal(state.reads, 2)
})

test('while the database is unavailable, the backlog is missing and not 0', async () => {
  const { state, lines } = setUp()
  await lines('')
  state.at += 5_000
  state.backlog = () => Promise.reject(new Error('away'))
  assert.deepEqual(await lines('lernito_deliveries_queued'), [])
  assert.deepEqual(await lines('lernito_oldest'), [])
  state.at += 5_000
  state.backlog = async () => ({
    queued: 0,
    pre_enrolled: 0,
    needs_attention: 0,
    rejected: 0,
    oldestReceivedAt: null,
    oldestRequestedAt: null,
    withdrawalsFailed: 0,
    outbox: { pending: 0, failed: 0, oldestAt: null },
  })
  assert.deepEqual(await lines('lernito_oldest'), [
    'lernito_oldest_queued_seconds 0',
    'lernito_oldest_withdrawal_seconds 0',
  ])
})

test('events are counted with a few fixed labels', async () => {
  const { observer, lines } = setUp()
  observer.onAnswer(200)
  observer.onRefused(REFUSED)
  observer.onPreviousSecret()
  observer.onEvent({
    id: 'e',
    deliveryId: 'd',
    at: 0,
    kind: 'enrolled',
    detail: '',
    actor: null,
    timeToEnrollmentMs: 1500,
  })
  observer.onCall({ endpoint: '/heartbeat', method: 'GET', status: null, ms: 30 })
  assert.deepEqual(
    (await lines('lernito_webhook_')).filter((line) => !line.endsWith(' 0')),
    [
      'lernito_webhook_answers_total{status="200"} 1',
      'lernito_webhook_refused_total{reason="signature"} 1',
      'lernito_webhook_previous_secret_total 1',
    ],
  )
  assert.ok((await lines('lernito_delivery_events_total')).includes('lernito_delivery_events_total{kind="enrolled"} 1'))
  assert.deepEqual(await lines('lernito_enrollment_seconds_sum'), ['lernito_enrollment_seconds_sum 1.5'])
  assert.deepEqual(await lines('lernito_lms_calls_total'), [
    'lernito_lms_calls_total{endpoint="/heartbeat",method="GET",status="none"} 1',
  ])
  assert.deepEqual(await lines('lernito_lms_call_seconds_count'), [
    'lernito_lms_call_seconds_count{endpoint="/heartbeat"} 1',
  ])
})

const alerts = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string().regex(/^\d+m$/),
          labels: z.object({ severity: z.enum(['warning', 'critical']) }),
          annotations: z.object({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
})
const dashboard = z.object({
  panels: z.array(
    z.object({
      title: z.string(),
      type: z.string(),
      targets: z.array(z.object({ expr: z.string(), instant: z.boolean().optional() })).min(1),
    }),
  ),
})

const alertRules = () => alerts.parse(parse(read('alerts.yaml'))).groups.flatMap(({ rules }) => rules)

test('what an alert counts has a series from the start, so that the first one is an increase', async () => {
  const { lines } = setUp()
  const series = await lines('lernito_')
  const counted = alertRules().flatMap(({ expr }) => [
    ...expr.matchAll(/increase\((?<metric>\w+)\{(?<label>\w+)=~?"(?<values>[^"]+)"/g),
  ])
  const named = counted.flatMap(({ groups: { metric = '', label = '', values = '' } = {} }) =>
    values.split('|').map((value) => `${metric}{${label}="${value}"} 0`),
  )
  assert.ok(named.some((one) => one.includes('id_reused')) && named.some((one) => one.includes('too_old')))
  assert.deepEqual(
    named.filter((one) => !series.includes(one)),
    [],
  )
})

test('an order to take a buyer out that fails has a series from the start, too', async () => {
  const { lines } = setUp()
  const series = await lines('lernito_delivery_events_total')
  for (const kind of ['withdrawal_failed', 'refund_failed']) {
    assert.ok(series.includes(`lernito_delivery_events_total{kind="${kind}"} 0`), kind)
  }
})

test('every answer to the shop and every notification has a series from the start, so that the first one is counted', async () => {
  const { lines } = setUp()
  const { paths } = OPEN_API
  const answers = (route: { post: { responses: object } }, metric: string): string[] =>
    Object.keys(route.post.responses).map((status) => `${metric}{status="${status}"} 0`)
  const expected = [
    ...answers(paths['/api/lernito/webhook/'], 'lernito_webhook_answers_total'),
    ...answers(paths['/api/lernito/refund/'], 'lernito_refund_answers_total'),
    ...['2xx', '3xx', '4xx', '5xx', 'none'].map((status) => `lernito_notifications_total{status="${status}"} 0`),
  ]
  assert.ok(expected.includes('lernito_refund_answers_total{status="202"} 0'))
  const series = await lines('lernito_')
  assert.deepEqual(
    expected.filter((one) => !series.includes(one)),
    [],
  )
})

test('the dashboard and the alert rules use only metrics of /metrics', async () => {
  const rules = alertRules()
  const { panels } = dashboard.parse(JSON.parse(read('grafana-dashboard.json')))
  const expressions = [...rules, ...panels.flatMap(({ targets }) => targets)].map(({ expr }) => expr)
  assert.ok(rules.length >= 8 && panels.length >= 10)
  const known = await names()
  const used = expressions.flatMap((expr) => expr.match(/\b(lernito|nodejs)_[a-z_0-9]+/g) ?? [])
  assert.ok(used.length >= expressions.length)
  assert.deepEqual(
    used.filter((name) => !known.has(name)),
    [],
  )
})

test('the single values of the dashboard are those of now, because a range still has the state of a past outage', () => {
  const { panels } = dashboard.parse(JSON.parse(read('grafana-dashboard.json')))
  const single = panels.filter(({ type }) => type === 'stat')
  assert.ok(single.length >= 4)
  assert.deepEqual(
    single.flatMap(({ title, targets }) => (targets.every(({ instant }) => instant === true) ? [] : [title])),
    [],
  )
})

const REGISTERED = z.array(z.object({ name: z.string() }))

test('every metric of metrics.json is made, and is on the dashboard', () => {
  const text = read('grafana-dashboard.json')
  const own = REGISTERED.parse(setUp().metrics.registry.getMetricsAsArray()).flatMap(({ name }) =>
    name.startsWith('lernito_') ? name : [],
  )
  assert.deepEqual(own.sort(), Object.keys(METRICS).sort())
  assert.deepEqual(
    own.filter((name) => !text.includes(name)),
    [],
  )
})
