import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { sendAgain, sendFailedAgain } from '../../../src/queue/outbox/send-again.ts'
import { RETRY_SCHEDULE_MS } from '../../../src/queue/retry-schedule.ts'
import { listening } from '../../listening.ts'
import { accepted, arrival, needsAttention, only, settled } from '../../queue/harness.ts'
import { receiverAt, setUpOutbox, startLoop } from './outbox.ts'
import { startReceiver, statusAnswer } from './receiver.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const [A, B] = ['01KGA00000000000000000000A', '01KGA00000000000000000000B'] as const

test('an event that fails is sent again after growing pauses, under the same id, with the time of the attempt', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(400))
  const id = await bench.insert(A)
  const loop = startLoop(t, bench, receiver)
  const waits: number[] = []
  for (let attempt = 1; attempt <= 5; attempt++) {
    await loop.reported(attempt)
    const [row] = await bench.unsent()
    waits.push(Number(row?.due_at) - bench.clock.at)
    bench.advance(waits.at(-1) ?? 0, [loop])
  }
  receiver.answer(null)
  await bench.untilSent()
  assert.deepEqual(waits, RETRY_SCHEDULE_MS.slice(0, 5))
  assert.deepEqual(receiver.wrong, [])
  assert.equal(receiver.got.length, 6)
  assert.ok(receiver.got.every((one) => one.webhookId === id && one.text === receiver.got[0]?.text))
  assert.equal(new Set(receiver.got.map(({ timestampS }) => timestampS)).size, 6)
})

test('an event is given up when its last attempt fails, after about three days, and an operator can send it again', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(422))
  const id = await bench.insert(A)
  const loop = startLoop(t, bench, receiver)
  const began = bench.clock.at
  for (let attempt = 1; ; attempt++) {
    await loop.reported(attempt)
    const [row] = await bench.unsent()
    if (row?.failed_at !== null) break
    bench.advance(row.due_at - bench.clock.at, [loop])
  }
  assert.equal(loop.reports.length, RETRY_SCHEDULE_MS.length + 1)
  assert.ok(Math.abs(bench.clock.at - began - 3 * DAY) < HOUR)
  assert.equal(loop.reports.at(-1)?.retryAt, null)
  receiver.answer(null)
  const result = await sendFailedAgain(bench.context, { by: 'alice' })
  assert.deepEqual(result, { events: 1 })
  loop.wake()
  await bench.untilSent()
  assert.equal(receiver.got.at(-1)?.webhookId, id)
  const [audited] = await bench.operations.audit({}).then(({ items }) => items)
  assert.deepEqual(
    [audited?.kind, audited?.actor, audited?.detail],
    ['sent_again', 'alice', 'events that waited: 0, given up before: 1'],
  )
})

test('the events of a delivery arrive in order, and one that fails holds up only its own delivery', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(({ data }, response) => void response.writeHead(data.id === A ? 400 : 204).end())
  const ids = {
    a1: await bench.insert(A),
    a2: await bench.insert(A, 'withdrawn'),
    b1: await bench.insert(B),
    b2: await bench.insert(B, 'withdrawn'),
  }
  const loop = startLoop(t, bench, receiver)
  await loop.reported(3)
  assert.deepEqual(
    (await bench.unsent()).map(({ id }) => id),
    [ids.a1, ids.a2],
  )
  assert.deepEqual(receiver.types(A), ['delivery.enrolled'])
  receiver.answer(null)
  bench.advance(DAY, [loop])
  await bench.untilSent()
  assert.deepEqual(receiver.types(A), ['delivery.enrolled', 'delivery.enrolled', 'delivery.withdrawn'])
  assert.deepEqual(receiver.types(B), ['delivery.enrolled', 'delivery.withdrawn'])
})

test('the events of a delivery arrive in order even if the clock was set back between them', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(needsAttention(id))])
  bench.clock.at -= HOUR
  const other = await bench.replica('replica-2') // its ids begin with the earlier time
  await sendAgain(other.context, { id, by: 'alice' })
  const [second, first] = await bench.unsent() // by id
  assert.ok(first && second && first.seq < second.seq)
  bench.clock.at += HOUR
  startLoop(t, bench, receiver)
  await bench.untilSent()
  assert.deepEqual(
    receiver.got.map(({ webhookId, sequence }) => [webhookId, sequence]),
    [
      [first.id, first.seq],
      [second.id, second.seq],
    ],
  )
})

test('a later event of a delivery is sent after an earlier one was given up', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  const given = await bench.insert(A)
  await bench.insert(A, 'withdrawn')
  await bench.db.updateTable('outbox').set({ failed_at: bench.clock.at }).where('id', '=', given).execute()
  startLoop(t, bench, receiver)
  await receiver.received(({ type }) => type === 'delivery.withdrawn')
})

for (const [name, status] of [
  ['a 500', 500],
  ['a 404', 404],
  ['a redirect', 308],
] as const) {
  test(`after ${name} to three events in a row the endpoint is down: one event at a time is sent until it works again`, async (t) => {
    const bench = await setUpOutbox(t)
    const receiver = await receiverAt(t, bench)
    receiver.answer(statusAnswer(status, { location: 'https://elsewhere.example/' }))
    for (let i = 0; i < 30; i++) await bench.insert(`01KGA0000000000000000000${String(i).padStart(2, '0')}`)
    const loop = startLoop(t, bench, receiver)
    await bench.untilState('down')
    const before = receiver.got.length
    assert.ok(before >= 3 && before <= 6, `${before}`)
    for (let probe = 1; probe <= 4; probe++) {
      const { probe_at } = await bench.endpoint()
      bench.advance(probe_at - bench.clock.at - 1, [loop])
      assert.equal(receiver.got.length, before + probe - 1)
      bench.advance(1, [loop])
      await loop.reported(before + probe)
    }
    assert.equal(receiver.got.length, before + 4)
    receiver.answer(null)
    bench.advance(DAY, [loop])
    await bench.untilSent()
    const { state, failures, since } = await bench.endpoint()
    assert.deepEqual([state, failures, since], ['up', 0, null])
    assert.deepEqual(
      loop.reports.flatMap(({ change }) => change?.state ?? []),
      ['down', 'up'],
    )
  })
}

test('while the endpoint is down, the newest event is the probe, so that an event it fails on does not stand for all', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(({ data }, response) => void response.writeHead(data.id === A ? 500 : 204).end())
  await bench.insert(A)
  const loop = startLoop(t, bench, receiver)
  for (let attempt = 1; attempt <= 3; attempt++) {
    await loop.reported(attempt)
    bench.advance(3_600_000, [loop])
  }
  await loop.reported(4)
  assert.equal((await bench.endpoint()).state, 'down')
  await bench.insert(B)
  bench.advance(3_600_000, [loop])
  await receiver.received(({ data }) => data.id === B)
  await bench.untilState('up')
})

/** An endpoint that is down after three attempts of event A, which waits for the fourth. */
async function setUpDown(t: TestContext) {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(500))
  await bench.insert(A)
  const loop = startLoop(t, bench, receiver)
  for (let attempt = 1; attempt <= 3; attempt++) {
    await loop.reported(attempt)
    const [row] = await bench.unsent()
    if (attempt < 3) bench.advance(Number(row?.due_at) - bench.clock.at, [loop])
  }
  return { bench, receiver, loop }
}

test('after an outage the one event that waits is sent within a minute, and the probes of the outage cost it no attempt', async (t) => {
  const { bench, receiver, loop } = await setUpDown(t)
  const [waiting] = await bench.unsent()
  assert.equal((await bench.endpoint()).state, 'down')
  for (let probe = 1; probe <= 3; probe++) {
    bench.advance((await bench.endpoint()).probe_at - bench.clock.at, [loop])
    await loop.reported(3 + probe)
  }
  const [after] = await bench.unsent()
  assert.deepEqual([after?.attempts, after?.due_at], [3, waiting?.due_at])
  assert.deepEqual(
    loop.reports.map(({ attempts }) => attempts),
    [1, 2, 3, 3, 3, 3],
  )
  receiver.answer(null)
  bench.advance(MINUTE, [loop])
  assert.ok(bench.clock.at < Number(waiting?.due_at))
  await bench.untilSent()
})

test('an event that is refused as a probe before its time has had an attempt', async (t) => {
  const { bench, receiver, loop } = await setUpDown(t)
  receiver.answer(statusAnswer(422))
  bench.advance(MINUTE, [loop])
  await loop.reported(4)
  assert.deepEqual([loop.reports[3]?.attempts, loop.reports[3]?.change?.state], [4, 'up'])
})

test('a slow endpoint gets at most four events at once, each times out, and nothing is lost', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(() => {})
  for (let i = 0; i < 20; i++) await bench.insert(`01KGA0000000000000000000${String(i).padStart(2, '0')}`)
  const loop = startLoop(t, bench, { ...receiver, timeoutMs: 300 })
  await bench.untilState('down')
  assert.equal(receiver.most(), 4)
  assert.match((await bench.endpoint()).error ?? '', /^127\.0\.0\.1:\d+ can't be reached: no answer within 0.3 s$/)
  assert.equal((await bench.unsent()).length, 20)
  receiver.answer(null)
  bench.advance(DAY, [loop])
  await bench.untilSent()
  assert.equal(new Set(receiver.got.map(({ data }) => data.id)).size, 20)
})

test('a redirect is not followed, and the message says where it leads', async (t) => {
  const bench = await setUpOutbox(t)
  let followed = 0
  const { host } = await listening(
    t,
    createServer((_request, response) => {
      followed++
      response.writeHead(204).end()
    }),
  )
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(302, { location: `http://${host}/path?token=secret` }))
  await bench.insert(A)
  const loop = startLoop(t, bench, receiver)
  await loop.reported(1)
  const [row] = await bench.unsent()
  assert.equal(
    row?.error,
    `the endpoint redirects (302) to http://${host}, and redirects are not followed: set LERNITO_EVENTS_URL to the address that answers itself`,
  )
  assert.equal(followed, 0)
})

test('after a 410 nothing is sent, not even after a restart, until an operator sends again', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(410))
  await bench.insert(A)
  const first = startLoop(t, bench, receiver)
  await first.reported(1)
  const [report] = first.reports
  assert.deepEqual(report?.change, { state: 'gone', reason: 'the endpoint answered 410 Gone: it wants no more events' })
  receiver.answer(null)
  await bench.insert(B)
  bench.advance(10 * DAY, [first])
  await first.stop()
  const again = startLoop(t, bench, receiver)
  bench.advance(DAY, [again])
  assert.equal(receiver.got.length, 1)
  await sendFailedAgain(bench.context, { by: 'alice' })
  again.wake()
  await bench.untilSent()
  assert.deepEqual(receiver.got.map(({ data }) => data.id).sort(), [A, A, B])
})

test('after a 410 another address gets the events', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(410))
  await bench.insert(A)
  const first = startLoop(t, bench, receiver)
  await first.reported(1)
  await first.stop()
  const other = await receiverAt(t, bench)
  startLoop(t, bench, other)
  await other.received(({ data }) => data.id === A)
})

test('a clock that is four days ahead for a moment ends no event, and none of them waits until that time comes again', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  receiver.answer(statusAnswer(500))
  for (let i = 0; i < 20; i++) await bench.insert(`01KGA0000000000000000000${String(i).padStart(2, '0')}`)
  const loop = startLoop(t, bench, receiver)
  await bench.untilState('down')
  const before = loop.reports.length
  bench.advance(4 * DAY, [loop])
  await loop.reported(before + 1)
  await bench.untilState('down')
  assert.deepEqual(
    (await bench.unsent()).filter((row) => row.failed_at !== null),
    [],
  )
  receiver.answer(null)
  bench.advance(10_000 - 4 * DAY, [loop]) // the first attempts failed too, and come again after 5 s
  await bench.untilSent()
})

test('a stop lets attempts in flight end, and another start sends what it left', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await startReceiver(t, { now: () => bench.clock.at })
  const arrived = Promise.withResolvers<() => void>()
  receiver.answer((_got, response) => arrived.resolve(() => void response.writeHead(204).end()))
  await bench.insert(A)
  const loop = startLoop(t, bench, receiver)
  const answer = await arrived.promise
  const stopped = loop.stop()
  await bench.insert(B)
  answer()
  await stopped
  assert.deepEqual(
    (await bench.unsent()).map((row) => row.about),
    [B],
  )
})
