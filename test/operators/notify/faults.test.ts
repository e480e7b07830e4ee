import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Seen } from '../../../src/operators/incidents/incidents.ts'
import { openEndpoint } from '../../../src/queue/outbox/endpoint.ts'
import { only } from '../../queue/harness.ts'
import { type Bench, setUpNotifier } from './harness.ts'

const down = ({ clock }: Bench, kind: Seen['kind'] = 'down'): Seen => ({
  kind,
  since: clock.at,
  cause: 'The LMS at lms:8000 can’t be reached',
})
const AVAILABLE = 'lernito-openedx: the LMS is available again, and queued deliveries are retried.'

test('an LMS that is unavailable for less than 10 minutes gives no text', async (t) => {
  const bench = await setUpNotifier(t)
  await bench.sees(down(bench))
  await bench.pass(9)
  await bench.sees(null)
  await bench.pass(60)
  assert.deepEqual(bench.chat.texts, [])
  assert.deepEqual(await bench.notices(), [])
})

test('an LMS that is down or misconfigured for 10 minutes gives one text, and one when it is available again', async (t) => {
  for (const [kind, expected] of [
    ['down', 'the LMS has been unavailable since 2026-01-31 12:00 UTC. The LMS at lms:8000 can’t be reached.'],
    ['misconfigured', 'the connection to the LMS has been misconfigured since 2026-01-31 12:00 UTC. The'],
  ] as const) {
    const bench = await setUpNotifier(t)
    const { chat, pass, sees } = bench
    await sees(down(bench, kind))
    await pass(11)
    await pass(60)
    assert.ok(only(chat.texts).includes(expected), chat.texts[0])
    await sees(null)
    await pass(3)
    assert.equal(chat.texts[1], AVAILABLE)
    await pass(60)
    assert.equal(chat.texts.length, 2)
  }
})

test('an LMS that is available only for moments counts as down since the first failure', async (t) => {
  const bench = await setUpNotifier(t)
  const { chat, pass, sees } = bench
  for (let minute = 0; minute <= 10; minute += 0.5) {
    await sees(down(bench))
    await sees(null)
    await pass(0.5)
  }
  assert.match(only(chat.texts), /since 2026-01-31 12:00 UTC/)
  await pass(3)
  assert.equal(chat.texts[1], AVAILABLE)
})

test('an outage whose cause changes is told once, since its beginning, and its end once', async (t) => {
  const bench = await setUpNotifier(t)
  const { chat, pass, sees } = bench
  for (let n = 0; n < 2; n++) {
    await sees(down(bench))
    await pass(3)
    await sees(down(bench, 'misconfigured'))
    await pass(3)
  }
  await pass(60)
  assert.match(only(chat.texts), /the connection to the LMS has been misconfigured since 2026-01-31 12:00 UTC/)
  await sees(null)
  await pass(3)
  assert.deepEqual(chat.texts.slice(1), [AVAILABLE])
})

test('an outage that outlasts a restart continues for the notifications', async (t) => {
  const bench = await setUpNotifier(t)
  await bench.sees(down(bench))
  await bench.pass(8)
  const restarted = bench.notifierOf(bench)
  await restarted.sees(down(bench))
  await bench.pass(3, [restarted])
  assert.match(only(bench.chat.texts), /since 2026-01-31 12:00 UTC/)
})

test('a throttle gives no text, because it ends without an operator', async (t) => {
  const bench = await setUpNotifier(t)
  await bench.sees(down(bench, 'throttled'))
  await bench.pass(60)
  assert.deepEqual(bench.chat.texts, [])
})

test('the replica that sends speaks of an outage that only another one has noticed', async (t) => {
  const bench = await setUpNotifier(t)
  const other = bench.notifierOf(await bench.replica('replica-2'))
  await other.sees(down(bench))
  await bench.pass(12, [bench.mine, other])
  assert.match(only(bench.chat.texts), /the LMS has been unavailable/)
  assert.deepEqual([bench.notified.length, other.notified.length], [1, 0])
})

test('after a takeover the outage is not told again, and its end only when the LMS answers', async (t) => {
  const bench = await setUpNotifier(t)
  const { chat, pass, lms } = bench
  const other = bench.notifierOf(await bench.replica('replica-2'))
  await bench.sees(down(bench))
  await pass(12, [bench.mine, other])
  assert.equal(chat.texts.length, 1)
  lms.isBack = false
  bench.leader.me = 'replica-2' // the first one is dead; the other one makes no call that could fail
  await pass(30, [other])
  assert.equal(chat.texts.length, 1)
  assert.ok(lms.probes > 10)
  lms.isBack = true
  await pass(1, [other])
  assert.equal(chat.texts[1], AVAILABLE)
  assert.equal(other.notified.length, 1)
})

const event = (at: number) => ({
  id: `E${at}`,
  about: 'D',
  type: 'delivery.enrolled',
  body: '{}',
  created_at: at,
  due_at: at,
  attempts: 0,
  failed_at: null,
  error: null,
  seq: 1,
})

test('events that wait for an hour give one text with the last error and a link, and one when none waits any more', async (t) => {
  const { db, clock, chat, pass } = await setUpNotifier(t)
  await openEndpoint(db, 'https://shop.example.com/events?token=secret')
  const error = 'the endpoint answered 500'
  await db.updateTable('endpoints').set({ state: 'down', error, error_at: clock.at }).execute()
  await db.insertInto('outbox').values(event(clock.at)).execute()
  await pass(59)
  assert.deepEqual(chat.texts, [])
  await pass(2)
  assert.equal(
    only(chat.texts),
    'lernito-openedx: events have been waiting for the shop’s endpoint since 2026-01-31 12:00 UTC. Last error: the endpoint answered 500. See https://lms.example.com/lernito/console/events',
  )
  await pass(60)
  await db.deleteFrom('outbox').execute()
  await pass(3)
  assert.deepEqual(chat.texts.slice(1), ['lernito-openedx: events no longer wait long for the shop’s endpoint.'])
})

test('an endpoint that answered 410 gives a text within a minute, even if its events were late before', async (t) => {
  const { db, clock, chat, pass } = await setUpNotifier(t)
  await openEndpoint(db, 'https://shop.example.com/events')
  await db.insertInto('outbox').values(event(clock.at)).execute()
  await pass(61)
  await db.updateTable('endpoints').set({ state: 'gone', since: clock.at }).execute()
  await pass(1)
  assert.equal(chat.texts.length, 2)
  const gone =
    /answered 410 Gone: it wants no more events\. Nothing is sent until you send again\. See \S+\/console\/events$/
  assert.match(chat.texts[1] ?? '', gone)
  await pass(60)
  assert.equal(chat.texts.length, 2)
})

test('an event that was given up is told after it was late, and its end only when there is none any more', async (t) => {
  const { db, clock, chat, pass } = await setUpNotifier(t)
  await openEndpoint(db, 'https://shop.example.com/events')
  await db.insertInto('outbox').values(event(clock.at)).execute()
  await pass(61)
  assert.match(only(chat.texts), /events have been waiting/)
  await db.updateTable('outbox').set({ failed_at: clock.at, error: 'the endpoint answered 400' }).execute()
  await pass(60)
  assert.deepEqual(chat.texts.slice(1), [
    'lernito-openedx: an event for the shop was given up after three days. Last error: the endpoint answered 400. Find out why the shop refuses it, then send again. See https://lms.example.com/lernito/console/events',
  ])
  await db.deleteFrom('outbox').execute()
  await pass(3)
  assert.deepEqual(chat.texts.slice(2), ['lernito-openedx: events no longer wait long for the shop’s endpoint.'])
})
