import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forget } from '../../../src/operators/changes/forget.ts'
import type { DeliveryFilter } from '../../../src/operators/find/filter.ts'
import { purgeStep } from '../../../src/queue/retention.ts'
import { accepted, arrival, only, type Replica, settled, setUp, succeeded } from '../../queue/harness.ts'

const DEMO = 'course-v1:ExampleX+Demo+2026'
const OTHER = 'course-v1:Other+Python+2025'
const DAY_MS = 24 * 3_600_000

const finding = async ({ operations }: Pick<Replica, 'operations'>, find: string, more: DeliveryFilter = {}) =>
  (await operations.list({ filter: { find, ...more } })).items.map(({ id }) => id)

/** A sale with an order number of the shop's own. */
function maria(order = 1): ReturnType<typeof arrival> {
  const webhook = arrival({
    email: 'Maria.Garcia@example.com',
    username: 'mgarcia',
    courseIds: [OTHER, DEMO],
    order,
  })
  const request = webhook.request === null ? null : { ...webhook.request, name: 'María José', family: 'García' }
  const body = Buffer.from(JSON.stringify({ ...request, order, invoice: { number: 'LRN-2026/00417', lines: [77031] } }))
  return { ...webhook, request, body }
}

test('a search finds a delivery by any part of what the shop sent, in any letter case, and by its ids', async (t) => {
  const bench = await setUp(t)
  const webhook = { ...maria(), webhookId: 'msg_2Lh9KRb0pz' }
  const { id } = only(await bench.store.write([accepted(webhook)]))
  await bench.store.write([accepted({ ...webhook, webhookId: 'msg_repeat' })])
  const other = only(
    await bench.store.write([accepted(arrival({ email: 'ada@other.example', courseIds: [OTHER] }))]),
  ).id
  const people = ['maria.garcia@example.com', 'MARIA.GARCIA@EXAMPLE.COM', 'maria', 'arcia', 'García', 'jose garcia']
  const parts = ['@example.com', 'garcia@ex', 'mgarcia', 'Demo+20', 'x+dEMO', 'emo+2026', DEMO, DEMO.toUpperCase()]
  const ids = [id, id.toLowerCase(), id.slice(0, 25), 'msg_2Lh9KRb0pz', '2Lh9KR', 'msg_repeat']
  for (const text of [...people, ...parts, ...ids, 'garcia demo', `${DEMO} maria`, 'lrn-2026/00417', '7703']) {
    assert.deepEqual(await finding(bench, text), [id], text)
  }
  assert.deepEqual(await finding(bench, 'other+py'), [other, id])
  assert.deepEqual(await finding(bench, 'ada other'), [other])
  for (const text of ['lost@', '@garcia.com', 'maria python2', 'ada demo', 'msg_9Lh9KRb0pz', 'invoice', 'courseIds']) {
    assert.deepEqual(await finding(bench, text), [], text)
  }
  assert.deepEqual(await finding(bench, 'maria', { states: ['needs_attention'] }), [])
  assert.deepEqual(await finding(bench, id, { states: ['needs_attention'] }), [])
})

test('a search for a whole address finds no address that only contains it', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ email: 'anna@example.com' }))]))
  await bench.store.write([accepted(arrival({ email: 'joanna@example.com' }))])
  assert.deepEqual(await finding(bench, 'Anna@example.com'), [id])
})

test('marks that nobody sees change nothing about what a search finds', async (t) => {
  const bench = await setUp(t)
  const webhook = arrival({ email: 'anna@example.com' })
  const body = Buffer.from(JSON.stringify({ title: 'می\u200cخواهم' }))
  const { id } = only(await bench.store.write([accepted({ ...webhook, body })]))
  for (const text of ['\u202aanna@example.com\u202c', 'anna@exam\u00adple.com', 'میخواهم', 'می\u200cخواهم']) {
    assert.deepEqual(await finding(bench, text), [id], JSON.stringify(text))
  }
  for (const text of ['\u0301', '\u200f']) assert.deepEqual(await finding(bench, text), [], JSON.stringify(text))
})

test('a search finds nothing of a delivery that was deleted or erased, nor does a bulk replay keep its name', async (t) => {
  const bench = await setUp(t)
  const write = async (webhook: ReturnType<typeof arrival>) => only(await bench.store.write([accepted(webhook)])).id
  const old = await write(maria())
  await bench.store.write([settled({ ...succeeded(old), outcome: { courses: {}, reason: null } })])
  const erased = await write(maria(2))
  const kept = await write(arrival({ email: 'ada@x.example' }))
  bench.clock.at += DAY_MS
  await bench.operations.replay({ ids: [kept, erased], by: 'alice' })
  assert.equal(await purgeStep({ ...bench.context, before: bench.clock.at }), 1)
  await bench.operations.startReplay({ filter: { find: 'LRN-2026' }, by: 'alice' })
  await bench.operations.startReplay({ filter: { find: 'lovelace' }, by: 'alice' })
  assert.deepEqual(await finding(bench, 'garcia'), [erased])
  await forget(bench.context, { email: 'maria.garcia@EXAMPLE.com', by: 'alice', silentMs: 0, landsMs: 0 })
  assert.deepEqual(await finding(bench, 'garcia'), [])
  assert.deepEqual(await finding(bench, 'lovelace'), [kept])
  assert.deepEqual(
    (await bench.operations.runningReplays()).map(({ filter }) => filter.find),
    ['lovelace'],
  )
})
