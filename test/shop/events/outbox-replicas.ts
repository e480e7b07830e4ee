import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../../src/service/lib/errors.ts'
import { pruneAlone } from '../../queue/harness.ts'
import { until } from '../../service/process.ts'
import { receiverAt, setUpOutbox, startLoop } from './outbox.ts'
import { statusAnswer } from './receiver.ts'

const A = '01KGA00000000000000000000A'
const many = Array.from({ length: 40 }, (_, i) => `01KGA0000000000000000000${String(i).padStart(2, '0')}`)

test('two replicas send each event once, and those of a delivery in order', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  const other = await bench.replica('replica-2')
  for (const delivery of many) await bench.insert(delivery)
  for (const delivery of many) await bench.insert(delivery, 'withdrawn')
  const loops = [startLoop(t, bench, receiver), startLoop(t, other, receiver)]
  await bench.untilSent()
  assert.equal(receiver.got.length, 80)
  for (const id of many) assert.deepEqual(receiver.types(id), ['delivery.enrolled', 'delivery.withdrawn'])
  assert.deepEqual(
    loops.flatMap(({ errors }) => errors),
    [],
  )
})

test('while the endpoint is down, all replicas together send one event at a time', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  const other = await bench.replica('replica-2')
  receiver.answer(statusAnswer(503))
  for (const delivery of many) await bench.insert(delivery)
  const loops = [startLoop(t, bench, receiver), startLoop(t, other, receiver)]
  await bench.untilState('down')
  const before = receiver.got.length
  for (let probe = 1; probe <= 3; probe++) {
    const { probe_at } = await bench.endpoint()
    bench.advance(Math.max(0, probe_at - bench.clock.at), loops)
    await until('a probe', () => (receiver.got.length >= before + probe ? true : undefined))
    await bench.untilState('down')
  }
  assert.equal(receiver.got.length, before + 3)
})

test('what a dead replica was sending is sent again by another one, as soon as it is pruned', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  const dead = await bench.replica('replica-2')
  const id = await bench.insert(A)
  await bench.db
    .insertInto('holds')
    .values({ name: `event:${A}`, replica: dead.me })
    .execute()
  const loop = startLoop(t, bench, receiver)
  const b = await bench.insert('01KGA00000000000000000000B')
  loop.wake()
  await receiver.received(({ webhookId }) => webhookId === b)
  assert.equal(receiver.got.length, 1)
  await pruneAlone(bench, dead.me)
  loop.wake()
  await receiver.received(({ webhookId }) => webhookId === id)
})

test('a replica without a lease sends nothing, and leaves its events to the others', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  await bench.insert(A)
  let asked = 0
  const lost = startLoop(t, bench, {
    ...receiver,
    maySend: () => {
      asked++
      throw new AppError('lease.lost', 'lost')
    },
  })
  await until('the look', () => (asked > 0 ? true : undefined))
  await lost.stop()
  const [row] = await bench.unsent()
  assert.deepEqual([await bench.rows('holds'), row?.attempts, receiver.got.length], [[], 0, 0])
})

test('a lease that ends cuts the attempt in flight, which does not count', async (t) => {
  const bench = await setUpOutbox(t)
  const receiver = await receiverAt(t, bench)
  const lease = new AbortController()
  const arrived = Promise.withResolvers<void>()
  receiver.answer(() => arrived.resolve())
  await bench.insert(A)
  const maySend = (): AbortSignal => {
    lease.signal.throwIfAborted()
    return lease.signal
  }
  const loop = startLoop(t, bench, { ...receiver, maySend })
  await arrived.promise
  lease.abort(new AppError('lease.lost', 'lost'))
  // Before the loop is stopped, because a stop cuts the attempt too.
  await until('the end of the hold', async () => (await bench.rows('holds')).length === 0 || undefined)
  assert.deepEqual([(await bench.unsent())[0]?.attempts, loop.reports.length], [0, 0])
})
