import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  arrival,
  needsAttention,
  rejectedArrival,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

const ADA = 'Ada@x.example'

test('a person has the sales of the address in any letter case, newest first, and one timeline that names each', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const at = async (email: string, order: number): Promise<string> => {
    clock.at += 1000
    const [written] = await store.write([accepted(arrival({ email, order }))])
    return written?.id ?? ''
  }
  const [one, two] = [await at(ADA.toLowerCase(), 1), await at(ADA, 2)]
  await at('xada@x.example', 1)
  clock.at += 1000
  await store.write([settled(succeeded(one))])
  clock.at += 1000
  await store.write([settled(needsAttention(two))])
  const person = await operations.person(` ${ADA.toUpperCase()} `)
  assert.deepEqual([person.email, person.salesCount, person.hasMoreEvents], [ADA, 2, false])
  assert.deepEqual(
    person.sales.map(({ id, state, receivedAt, reason }) => [id, state, receivedAt, reason?.code]),
    [
      [two, 'needs_attention', START + 2000, 'course.missing'],
      [one, 'enrolled', START + 1000, undefined],
    ],
  )
  assert.deepEqual(
    person.timeline.map(({ deliveryId, kind }) => [deliveryId, kind]),
    [
      [one, 'received'],
      [two, 'received'],
      [one, 'enrolled'],
      [two, 'needs_attention'],
    ],
  )
})

test('an address without a sale is a person without sales', async (t) => {
  const { operations } = await setUp(t)
  const nothing = { sales: [], salesCount: 0, timeline: [], hasMoreEvents: false }
  assert.deepEqual(await operations.person(' nobody@x.example'), { email: 'nobody@x.example', ...nothing })
})

test('the buyer of a delivery is found by its id; a delivery without an address has none', async (t) => {
  const { store, operations, db } = await setUp(t)
  const written = await store.write([accepted(arrival({ email: ADA })), accepted(rejectedArrival())])
  const [one = '', two = ''] = written.map(({ id }) => id)
  assert.equal((await operations.buyerOf(one))?.email, ADA)
  assert.equal(await operations.buyerOf(two), null)
  assert.equal(await operations.buyerOf('NONE'), null)
  await db.updateTable('deliveries').set({ email: 'no address' }).where('id', '=', two).execute()
  assert.equal(await operations.buyerOf(two), null)
})

test('100 sales and 500 events are the most, the latest of each', async (t) => {
  const { store, operations, clock } = await setUp(t)
  for (let order = 0; order < 101; order++) {
    clock.at += 1
    await store.write([accepted(arrival({ email: ADA, order }))])
  }
  for (let i = 0; i < 500; i++) {
    clock.at += 1
    await store.write([accepted(arrival({ email: ADA, order: 50 }))])
  }
  const { sales, salesCount, timeline, hasMoreEvents } = await operations.person(ADA)
  assert.deepEqual([sales.length, salesCount, sales.at(-1)?.receivedAt], [100, 101, START + 2])
  assert.deepEqual([timeline.length, hasMoreEvents, timeline.at(-1)?.at], [500, true, clock.at])
})

test('a person whose only sale has more than 500 events has more events than the page shows', async (t) => {
  const { store, operations } = await setUp(t)
  const sale = accepted(arrival({ email: ADA }))
  const shown = async () => {
    const { timeline, hasMoreEvents } = await operations.person(ADA)
    return [timeline.length, hasMoreEvents]
  }
  await store.write(Array.from({ length: 500 }, () => sale))
  assert.deepEqual(await shown(), [500, false])
  await store.write([sale])
  assert.deepEqual(await shown(), [500, true])
})

test('a row that can’t be read hides no other sale', async (t) => {
  const { store, operations, db } = await setUp(t)
  const orders = [1, 2].map((order) => accepted(arrival({ email: ADA, order })))
  const [one = '', two = ''] = (await store.write(orders)).map(({ id }) => id)
  await db.updateTable('deliveries').set({ request: '{' }).where('id', '=', two).execute()
  const { email, sales } = await operations.person(ADA)
  assert.equal(email, ADA)
  assert.deepEqual(
    sales.map(({ id, unreadable }) => [id, unreadable]),
    [
      [two, 'its JSON is damaged'],
      [one, null],
    ],
  )
})
